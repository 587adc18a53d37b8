// A player and all that is drawn of it inside one root: picture, controls, the question
// of consent and the panel. The page, the frame and the element are this, with little around.
import type { PlayerOptions } from "../options.ts";
import { Player } from "../player.ts";
import type { Verdict } from "../provenance.ts";
import type { Mode, View } from "../view.ts";
import { ConsentCard } from "./consent-card.ts";
import { controls } from "./controls.ts";
import { facts, finder, h, icon, type Root, set, symbol, write } from "./dom.ts";
import { notice } from "./notices.ts";
import { Panel } from "./panel.ts";
import { lastMinute, modeWords, percents } from "./words.ts";

const everyMs = 500;

export interface ViewerOptions {
  /** Where the markup of stage.html is. */
  root: Root;
  /** Where keys are heard. */
  keys: EventTarget;
  /** The player fills a frame of somebody's page: question and panel lie over the picture. */
  framed: boolean;
  /** The stream's own page, for those who want to know more; needed in a frame. */
  page?: string;
  player: PlayerOptions;
  /** Called with all that there is to draw. */
  drawn?: (v: View, verdict: Verdict) => void;
  changed?: () => void;
}

export class Viewer {
  player: Player;
  private readonly el: ReturnType<typeof finder>;
  private readonly video: HTMLVideoElement;
  private readonly drawControls: (v: View) => void;
  private readonly card: ConsentCard;
  private readonly panel: Panel;
  private readonly timer: number;
  private readonly listeners = new AbortController();
  private said = "";
  private drawing = 0;

  constructor(private readonly o: ViewerOptions) {
    this.el = finder(o.root);
    this.video = this.el<HTMLVideoElement>("video");
    this.player = this.newPlayer(o.player);
    this.drawControls = controls(o.root, o.keys, this.listeners.signal, () => this.player);
    const { ask, swarm, panelAt } = this.frames();
    this.card = new ConsentCard(ask, (mode) => this.chose(mode));
    this.panel = new Panel(panelAt, {
      choose: (mode) => this.player.choose(mode),
      setUpCap: (bits) => this.player.setUpCap(bits),
      setTelling: (yes) => this.player.setTelling(yes),
      toggled: (open) => {
        if (o.framed) swarm.hidden = !open;
        set(this.el("sources"), "aria-expanded", String(open));
        this.draw();
      },
    });
    swarm.hidden = o.framed;
    this.wireSources(swarm);
    this.el("retry").addEventListener("click", () => this.player.start());
    this.el("trust").addEventListener("click", () => void this.player.trustNewKey());
    this.timer = window.setInterval(() => this.draw(), everyMs);
    this.player.start();
    this.draw();
  }

  /** Plays another stream, or the same one as another link names it. */
  play(options: PlayerOptions): void {
    this.player.destroy();
    this.o.player = options;
    this.player = this.newPlayer(options);
    this.player.start();
  }

  destroy(): void {
    clearInterval(this.timer);
    this.listeners.abort();
    cancelAnimationFrame(this.drawing);
    this.player.destroy();
  }

  private newPlayer(options: PlayerOptions): Player {
    const made = new Player(this.video, options);
    made.addEventListener("change", () => {
      this.drawSoon();
      this.o.changed?.();
    });
    return made;
  }

  /** Where question and panel go: below the picture in a page, over it in a frame. */
  private frames(): { ask: HTMLElement; swarm: HTMLElement; panelAt: HTMLElement } {
    if (!this.o.framed) {
      const swarm = this.el("swarm");
      return { ask: this.el("ask"), swarm, panelAt: swarm };
    }
    this.el("stage").classList.add("framed");
    const ask = h("section", { class: "ask", id: "ask", "aria-labelledby": "ask-title", hidden: "" });
    const swarm = h("section", { class: "sheet swarm", id: "swarm", "aria-labelledby": "swarm-title", hidden: "" });
    this.el("video").after(ask, swarm);
    const mark = this.el<HTMLAnchorElement>("mark");
    mark.href = this.o.page ?? "";
    mark.hidden = false;
    return { ask, swarm, panelAt: swarm };
  }

  private wireSources(swarm: HTMLElement): void {
    const sources = this.el("sources");
    sources.hidden = false;
    const close = () => {
      this.panel.toggle(false);
      sources.focus();
    };
    sources.addEventListener("click", () => {
      this.panel.toggle();
      if (this.panel.open && !this.o.framed) swarm.scrollIntoView({ block: "nearest" });
      if (this.panel.open) (this.o.framed ? this.el("sheet-close") : this.panel.button).focus();
    });
    if (!this.o.framed) return;
    const button = h("button", { class: "control", id: "sheet-close", type: "button", "aria-label": "Close" }, symbol("close"));
    button.addEventListener("click", close);
    swarm.prepend(button);
    swarm.addEventListener("keydown", (e) => e.key === "Escape" && close());
  }

  private chose(mode: Mode): void {
    this.player.choose(mode);
    this.draw();
    write(this.el("say"), `${modeWords(mode, this.player.view().relay).name}: chosen. You can change it under “Where this comes from”.`);
    (this.o.framed ? this.el("sources") : this.panel.button).focus();
  }

  /** Draws a card at once, and else once for all that changes before the next frame: starting must not wait for it. */
  private drawSoon(): void {
    cancelAnimationFrame(this.drawing);
    const { state } = this.player.moment();
    if (state !== "loading" && state !== "starting" && state !== "playing") return this.draw();
    this.drawing = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const v = this.player.view();
    this.drawOverlay(v);
    this.drawControls(v);
    this.card.draw(v);
    this.panel.draw(v);
    const { peer } = percents(lastMinute(v));
    write(this.el("share-of-peers"), v.swarm.peers.length > 0 ? `${peer} %` : "");
    if (this.o.framed) {
      icon(this.el("mark"), v.provenance);
      write(this.el("mark-word"), v.provenance);
      set(this.el("mark"), "title", this.player.verdict().means);
      this.el("mark").dataset["state"] = v.provenance;
    }
    this.o.drawn?.(v, this.player.verdict());
  }

  private drawOverlay(v: View): void {
    const { el, player, video } = this;
    const n = notice(v.state, this.o.player.name, player.verdict(), player.faultFound);
    const overlay = el("overlay");
    overlay.hidden = n === null || (v.state === "starting" && v.firstFrameMs !== null && !video.paused && video.readyState > 2);
    this.say(n ? n.title : v.state === "playing" ? `Playing live, ${v.provenance}` : "Paused");
    if (!n) return;
    overlay.dataset["kind"] = n.kind;
    write(el("notice-title"), n.title);
    write(el("notice-text"), n.text);
    write(el("notice-advice"), n.advice);
    el("notice-facts").hidden = n.facts.length === 0;
    facts(el("notice-facts"), n.facts);
    el("retry").hidden = !n.retry;
    el("trust").hidden = !n.trust;
  }

  /** Tells people who do not see the page what became of the picture, once. */
  private say(what: string): void {
    if (what === this.said) return;
    this.said = what;
    write(this.el("say"), what);
  }
}
