// <shoal-player src="https://host/live/name#id">: the player as an element of any page.
// Its styles and markup live in a shadow root, so page and player leave each other alone.
import { addressOf, pageOf } from "./address.ts";
import { isConsent } from "./consent.ts";
import { optionsFor, type PlayerOptions } from "./options.ts";
import type { Player } from "./player.ts";
import type { Stats } from "./stats.ts";
import stage from "./ui/stage.html?raw";
import styles from "./ui/ui.css?inline";
import { Viewer } from "./ui/viewer.ts";
import type { View } from "./view.ts";

// A server that renders pages may import this file, where there are no elements.
const Base = (typeof HTMLElement === "function" ? HTMLElement : class {}) as typeof HTMLElement;

/**
 * Attributes: `src`, the address of the stream's page, with the stream id after # (only
 * then can it be called verified); `muted` and `autoplay`, as <video> has them; `consent`
 * (ask, share, download, edge), which lowers what the operator allows; `telemetry="off"`,
 * so that nothing is told of how it plays; `max-buffer`, the most media to hold in memory,
 * in bytes. Dispatches "change" whenever stats() or view()
 * changed in kind.
 */
export class ShoalPlayer extends Base {
  static readonly observedAttributes = ["src", "consent", "telemetry", "max-buffer", "muted", "autoplay"];
  private viewer: Viewer | null = null;

  /** The player, null while the element is in no document or has no stream. */
  get player(): Player | null {
    return this.viewer?.player ?? null;
  }

  get src(): string {
    return this.getAttribute("src") ?? "";
  }
  set src(value: string) {
    this.setAttribute("src", value);
  }

  stats(): Stats | null {
    return this.player?.stats() ?? null;
  }

  view(): View | null {
    return this.player?.view() ?? null;
  }

  connectedCallback(): void {
    this.begin();
  }

  disconnectedCallback(): void {
    this.end();
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (!this.isConnected || before === now) return;
    const video = this.shadowRoot?.querySelector("video");
    if (name === "muted" && video) video.muted = now !== null;
    else if (name === "autoplay" && video) video.autoplay = now !== null;
    else this.begin();
  }

  private begin(): void {
    this.end();
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    root.adoptedStyleSheets = [sheet];
    root.innerHTML = stage;
    const video = root.querySelector("video")!;
    video.muted = this.hasAttribute("muted");
    video.autoplay = this.hasAttribute("autoplay");
    const address = addressOf(URL.canParse(this.src, document.baseURI) ? new URL(this.src, document.baseURI).href : "");
    if (!address) {
      root.getElementById("notice-title")!.textContent = this.src ? "This is not the address of a stream" : "No stream";
      root.getElementById("notice-text")!.textContent = "The src of this player should be a link to a stream’s page, …/live/<name>#<stream id>.";
      return;
    }
    const consent = this.getAttribute("consent");
    const options: PlayerOptions = {
      ...optionsFor(address),
      // What cannot be read must not allow more than was meant.
      ...(consent === null ? {} : { embedder: isConsent(consent) ? consent : "edge" }),
      ...(this.hasAttribute("telemetry") ? { telemetry: this.getAttribute("telemetry") === "on" } : {}),
      ...maxBuffer(this.getAttribute("max-buffer")),
    };
    this.viewer = new Viewer({
      ...{ root, keys: root, framed: true, page: pageOf(address), player: options },
      changed: () => this.dispatchEvent(new Event("change")),
    });
  }

  private end(): void {
    this.viewer?.destroy();
    this.viewer = null;
  }
}

function maxBuffer(said: string | null): Pick<PlayerOptions, "maxBuffer"> {
  const bytes = Number(said);
  return said !== null && bytes > 0 && Number.isFinite(bytes) ? { maxBuffer: bytes } : {};
}

/** Makes <shoal-player> known to the document; harmless when it is already. */
export function define(tag = "shoal-player"): void {
  if (typeof customElements !== "undefined" && !customElements.get(tag)) customElements.define(tag, ShoalPlayer);
}
