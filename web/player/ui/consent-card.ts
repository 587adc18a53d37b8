// Asks how far the viewer wants to take part. It stands below the picture (or over its
// foot in a frame), keeps nothing from playing, and goes when a choice is made.
import type { Mode, View } from "../view.ts";
import { h, set, write } from "./dom.ts";
import { bytes, modeWords } from "./words.ts";

const modes: Mode[] = ["share", "download", "edge"];

export class ConsentCard {
  private readonly much = h("span");
  private readonly buttons = new Map<Mode, HTMLButtonElement>();

  /** Fills `at`; `chose` is called with the viewer's choice. */
  constructor(
    private readonly at: HTMLElement,
    chose: (mode: Mode) => void,
  ) {
    for (const mode of modes) {
      const button = h("button", { class: "choice", type: "button", "data-mode": mode }, h("b"), h("span"));
      button.addEventListener("click", () => chose(mode));
      this.buttons.set(mode, button);
    }
    at.replaceChildren(
      h("h2", { id: "ask-title" }, "Watch together with other viewers?"),
      h("p", {}, "Viewers then pass the stream on to each other, and can see each other’s IP addresses. ", this.much),
      h("p", { class: "brief" }, "Watch together? Others then see your IP address; who shares uploads, too."),
      h("div", { class: "choices" }, ...this.buttons.values()),
      h("p", { class: "fine" }, "Nothing is uploaded and nobody learns your address before you choose. You can change it any time under “Where this comes from”."),
    );
  }

  draw(v: View): void {
    // Who has nothing to watch has nothing to share.
    this.at.hidden = !v.ask || !(v.state === "playing" || v.state === "paused");
    if (this.at.hidden) return;
    const uploads = v.most === "share";
    const now = v.bitrate > 0 ? `, now ${bytes((v.bitrate / 8) * 60)} a minute` : "";
    write(this.much, uploads ? `If you share, your browser uploads too, often about as much as you watch${now}, and never more than a cap you can set.` : "Your browser uploads nothing of the stream.");
    for (const [mode, button] of this.buttons) {
      const words = modeWords(mode, v.relay);
      button.hidden = mode === "share" && v.most !== "share";
      write(button.firstElementChild!, words.name);
      write(button.lastElementChild!, words.short);
      set(button, "title", words.means);
    }
  }
}
