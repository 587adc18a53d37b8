// "Where this comes from": the swarm made visible, and the viewer's part in it.
import type { Mode, PeerView, View } from "../view.ts";
import { h, set, symbol, write } from "./dom.ts";
import { PeersPicture } from "./peers-picture.ts";
import { SourcesChart } from "./sources-chart.ts";
import { TellingLine } from "./telling-line.ts";
import { bytes, caps, lastMinute, modeWords, Names, percents, rate, remark, summary } from "./words.ts";

const modes: Mode[] = ["share", "download", "edge"];
const maxRows = 60;

export interface PanelActions {
  choose(mode: Mode): void;
  setUpCap(bits: number): void;
  setTelling(yes: boolean): void;
  /** It was opened or closed. */
  toggled(open: boolean): void;
}

export class Panel {
  readonly button: HTMLButtonElement;
  private readonly sentence = h("p", { class: "sum" });
  private readonly body = h("div", { class: "inside", id: "swarm-inside", hidden: "" });
  private readonly figures = { share: figure("from other viewers"), viewers: figure("viewers connected"), given: figure("given by you") };
  private readonly names = new Names();
  private readonly picture = new PeersPicture(this.names);
  private readonly chart = new SourcesChart();
  private readonly part: Part;
  private readonly telling: TellingLine;
  private readonly rows = h("tbody");
  private readonly table = h("details", { class: "table" }, h("summary", {}, "The same as a table"), table(this.rows));
  private readonly remark = h("p", { class: "remark" });

  /** Fills `at`. */
  constructor(
    at: HTMLElement,
    private readonly actions: PanelActions,
  ) {
    this.part = new Part(actions);
    this.telling = new TellingLine(actions);
    this.button = h("button", { class: "opener", id: "swarm-open", type: "button", "aria-expanded": "false", "aria-controls": "swarm-inside" });
    this.button.append(symbol("shoal"), h("span", {}, "Where this comes from"), symbol("open"));
    this.button.addEventListener("click", () => this.toggle());
    const figures = h("div", { class: "figures" }, ...Object.values(this.figures));
    this.body.append(
      h("div", { class: "halves" }, h("div", { class: "water" }, this.picture.element), h("div", { class: "told" }, figures, this.chart.element)),
      this.remark,
      this.part.element,
      this.telling.element,
      this.table,
    );
    at.append(h("h2", { id: "swarm-title" }, this.button), this.sentence, this.body);
  }

  get open(): boolean {
    return !this.body.hidden;
  }

  toggle(open = !this.open): void {
    this.body.hidden = !open;
    set(this.button, "aria-expanded", String(open));
    this.actions.toggled(open);
  }

  draw(v: View): void {
    write(this.sentence, summary(v));
    if (!this.open) return;
    this.names.keep(v.swarm.peers);
    for (const p of v.swarm.peers) this.names.of(p);
    const viewers = v.swarm.peers.filter((p) => p.role === "viewer").length;
    write(this.figures.share.firstElementChild!, `${percents(lastMinute(v)).peer} %`);
    write(this.figures.viewers.firstElementChild!, String(viewers));
    write(this.figures.viewers.lastElementChild!, viewers === 1 ? "viewer connected" : "viewers connected");
    write(this.figures.given.firstElementChild!, bytes(v.swarm.uploaded));
    write(this.figures.given.lastElementChild!, v.swarm.up >= 1e3 ? `given by you, ${rate(v.swarm.up)} now` : "given by you");
    this.picture.draw(v);
    this.chart.draw(v);
    this.part.draw(v);
    this.telling.draw(v);
    const said = remark(v);
    this.remark.hidden = said === "";
    write(this.remark, said);
    this.table.hidden = v.swarm.peers.length === 0;
    if (this.table.open) this.drawRows(v.swarm.peers);
  }

  private drawRows(peers: PeerView[]): void {
    const shown = peers.slice(0, maxRows);
    while (this.rows.rows.length > shown.length) this.rows.deleteRow(-1);
    for (const [i, p] of shown.entries()) {
      const row = this.rows.rows[i] ?? this.rows.appendChild(h("tr", {}, h("th", { scope: "row" }), h("td"), h("td"), h("td"), h("td")));
      const cells = [this.names.of(p), p.rttMs === null ? "–" : `${Math.round(p.rttMs)} ms`, rate(p.down), rate(p.up), p.relayed ? "relay" : "direct"];
      for (const [k, text] of cells.entries()) write(row.cells[k]!, text);
    }
  }
}

/** The viewer's part: the mode and the upload cap. */
class Part {
  readonly element: HTMLElement;
  private readonly radios = new Map<Mode, { label: HTMLElement; input: HTMLInputElement }>();
  private readonly means = h("p", { class: "means" });
  private readonly cap = h("select", { id: "up-cap" });

  constructor(actions: PanelActions) {
    const options = h("div", { class: "modes" });
    for (const mode of modes) {
      const input = h("input", { type: "radio", name: "mode", value: mode });
      input.addEventListener("change", () => actions.choose(mode));
      const label = h("label", {}, input, h("span"));
      options.append(label);
      this.radios.set(mode, { label, input });
    }
    this.cap.append(...caps.map(([bits, name]) => h("option", { value: bits }, name)));
    this.cap.addEventListener("change", () => actions.setUpCap(Number(this.cap.value)));
    this.element = h(
      "div",
      { class: "part" },
      h("fieldset", {}, h("legend", {}, "Your part"), options, this.means),
      h("p", { class: "cap" }, h("label", { for: "up-cap" }, "Upload at most"), this.cap),
    );
  }

  draw(v: View): void {
    this.element.hidden = v.most === "edge" || v.limit === "unsupported";
    if (this.element.hidden) return;
    const wished = v.chosen === "share" && v.most !== "share" ? v.most : (v.chosen ?? v.mode);
    for (const [mode, { label, input }] of this.radios) {
      label.hidden = mode === "share" && v.most !== "share";
      write(label.lastElementChild!, modeWords(mode, v.relay).name);
      if (input.checked !== (mode === wished)) input.checked = mode === wished;
    }
    write(this.means, v.ask ? "You have not chosen yet: until then all comes from the stream’s own servers." : modeWords(wished, v.relay).means);
    this.cap.disabled = wished !== "share";
    const bits = String(v.upCap);
    if (![...this.cap.options].some((o) => o.value === bits)) this.cap.append(h("option", { value: bits }, rate(v.upCap)));
    if (this.cap.value !== bits) this.cap.value = bits;
  }
}

function figure(of: string): HTMLElement {
  return h("p", { class: "figure" }, h("b", {}, "–"), h("span", {}, of));
}

function table(rows: HTMLTableSectionElement): HTMLElement {
  const heads = ["Who", "Round trip", "Takes from", "Gives to", "Way"].map((name) => h("th", { scope: "col" }, name));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of peers" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads)), rows));
}
