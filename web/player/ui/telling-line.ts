// Whether the operator is told how this plays: the viewer's to say.
import type { View } from "../view.ts";
import { h, write } from "./dom.ts";
import { tellingWords } from "./words.ts";

export interface TellingActions {
  setTelling(yes: boolean): void;
}

export class TellingLine {
  readonly element: HTMLElement;
  private readonly input = h("input", { type: "checkbox", id: "telling", "aria-describedby": "telling-means" });
  private readonly means = h("span", { class: "means", id: "telling-means" });

  constructor(actions: TellingActions) {
    this.input.addEventListener("change", () => actions.setTelling(this.input.checked));
    this.element = h("p", { class: "telling" }, h("label", {}, this.input, tellingWords.name), this.means);
  }

  draw({ telemetry }: View): void {
    this.element.hidden = telemetry === "none";
    if (this.element.hidden) return;
    this.input.disabled = telemetry === "forbidden";
    const checked = telemetry === "on";
    if (this.input.checked !== checked) this.input.checked = checked;
    write(this.means, telemetry === "forbidden" ? tellingWords.forbidden : tellingWords.means);
  }
}
