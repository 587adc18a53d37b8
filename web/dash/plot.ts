// A chart: its title, what it means, the drawing, a legend with the values under the cursor, and its CSV.
import uPlot from "uplot";
import { h, set, write } from "../player/ui/dom.ts";
import type { ChartSpec } from "./catalogue.ts";
import { colour, onScheme } from "./colours.ts";
import { csvLink } from "./grid.ts";
import { type Points, stacked } from "./table.ts";
import { mark, moment, say, tick } from "./words.ts";

const high = 190;
const wideEnough = 240;

export interface PlotOptions {
  /** Charts of one key have one cursor. */
  key: string;
  /** Is called with a range in Unix seconds that somebody has marked. */
  zoom(from: number, to: number): void;
  /** Draws over the lines. */
  over?(u: uPlot): void;
}

const all = new Set<Plot>();
onScheme(() => all.forEach((p) => p.recolour()));

export class Plot {
  readonly element: HTMLElement;
  private readonly room = h("div", { class: "room", tabindex: 0, role: "img" });
  private readonly at = h("span", { class: "at" });
  private readonly values: HTMLElement[];
  private readonly csv: HTMLAnchorElement;
  private readonly notice = h("p", { class: "none", hidden: "" });
  private readonly sizes = new ResizeObserver(() => this.resize());
  private u: uPlot | null = null;
  private points: Points = [[]];

  constructor(
    private readonly spec: ChartSpec,
    private readonly options: PlotOptions,
  ) {
    this.values = spec.lines.map(() => h("b", {}, "–"));
    const entries = spec.lines.map((l, i) => h("li", {}, h("i", { class: `swatch line-${l.colour}${l.dashed ? " dashed" : ""}` }), `${l.name} `, this.values[i]!));
    this.csv = csvLink(spec.title);
    this.element = h(
      "figure",
      { class: "plotted card" },
      h("figcaption", {}, h("span", { class: "titles" }, h("b", {}, spec.title), h("span", { class: "means" }, spec.means)), this.csv),
      h("div", { class: "holder" }, this.room, this.notice),
      h("ul", { class: "legend" }, h("li", {}, this.at), ...entries),
    );
    this.room.addEventListener("keydown", (e) => this.key(e));
    this.room.addEventListener("blur", () => this.point(-10));
    this.sizes.observe(this.room);
    all.add(this);
  }

  /** Shows points; csv is where they are as a file. Empty says that nothing was told, which is not the same as zeros. */
  draw(points: Points, csv: string, empty: boolean): void {
    this.points = points;
    set(this.csv, "href", csv);
    this.say("");
    const data = (this.spec.stack ? stacked(points) : points) as uPlot.AlignedData;
    if (this.u) this.u.setData(data);
    else {
      this.u = new uPlot(this.drawing(), data, this.room);
      this.u.root.querySelector("canvas")?.setAttribute("aria-hidden", "true");
    }
    if (empty) this.say("Nothing in this range.", false);
    this.read();
  }

  /** Shows a sentence in the place of the drawing, or over it. */
  say(words: string, instead = true): void {
    write(this.notice, words);
    this.notice.hidden = words === "";
    set(this.room, "data-dim", words !== "" && instead ? "" : null);
  }

  remove(): void {
    this.sizes.disconnect();
    this.u?.destroy();
    all.delete(this);
    this.element.remove();
  }

  recolour(): void {
    this.u?.redraw();
  }

  private resize(): void {
    const width = Math.max(wideEnough, this.room.clientWidth);
    if (this.u && this.u.width !== width) this.u.setSize({ width, height: high });
  }

  private drawing(): uPlot.Options {
    const faint = () => colour("line");
    const axis = { stroke: () => colour("soft"), font: '12px "Avenir Next", "Segoe UI", sans-serif', grid: { stroke: faint, width: 1 }, ticks: { stroke: faint, size: 4 } };
    const { unit, lines, stack } = this.spec;
    const least = { count: 1, ms: 100, share: 0.01, rate: 1e5, bytes: 1e6, perHour: 1, perMinute: 1, money: 1 }[unit];
    const top = (most: number | null): [number, number] => {
      const range = uPlot.rangeNum(0, Math.max(most ?? 0, least), { min: { pad: 0, hard: 0 }, max: { pad: 0.12 } });
      return [0, unit === "share" ? Math.min(1, range[1] ?? 1) : (range[1] ?? 1)];
    };
    return {
      width: Math.max(wideEnough, this.room.clientWidth),
      height: high,
      legend: { show: false },
      padding: [10, 26, 0, 0],
      scales: { x: { time: true }, y: { range: (_, __, most) => top(most) } },
      axes: [
        { ...axis, size: 30, space: 70, values: (_, splits, __, ___, apart) => splits.map((s) => tick(s, apart)) },
        { ...axis, size: 74, space: 36, values: (_, splits) => splits.map((n) => (n === 0 ? "0" : mark(unit, n))) },
      ],
      series: [
        {},
        ...lines.map((l) => ({
          label: l.name,
          stroke: () => colour(l.colour),
          width: stack ? 0 : 2,
          ...(stack ? { fill: () => colour(l.colour) } : {}),
          ...(l.dashed ? { dash: [5, 4], width: 1.5 } : {}),
          spanGaps: false,
          points: { show: !stack, size: 4, fill: () => colour(l.colour), filter: (u: uPlot, k: number) => lonely(u.data[k]) },
        })),
      ],
      cursor: { sync: { key: this.options.key }, drag: { x: true, y: false, setScale: false }, points: { size: 7 }, y: false },
      hooks: {
        setCursor: [() => this.read()],
        ...(this.options.over ? { draw: [this.options.over] } : {}),
        setSelect: [
          (u) => {
            if (u.select.width < 4) return;
            const [from, to] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            this.options.zoom(Math.floor(from), Math.ceil(to));
          },
        ],
      },
    };
  }

  /** Puts the values under the cursor into the legend, or the newest ones. */
  private read(): void {
    const [xs, ...ys] = this.points;
    const under = this.u?.cursor.idx;
    const i = under ?? newest(ys);
    const x = i === null ? undefined : xs[i];
    write(this.at, x === undefined ? "" : under === null || under === undefined ? `Newest, ${moment(x)}` : moment(x));
    const told = this.spec.lines.map((l, k) => {
      const value = say(this.spec.unit, i === null ? null : (ys[k]?.[i] ?? null));
      write(this.values[k]!, value);
      return `${l.name} ${value}`;
    });
    set(this.room, "aria-label", `${this.spec.title}. ${x === undefined ? "Nothing in this range." : `${moment(x)}: ${told.join(", ")}.`} Left and right arrows move through time.`);
  }

  private key(e: KeyboardEvent): void {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[e.key];
    const xs = this.points[0];
    if (!this.u || by === undefined || xs.length === 0) return;
    e.preventDefault();
    const i = Math.min(xs.length - 1, Math.max(0, (this.u.cursor.idx ?? xs.length) + by));
    this.point(this.u.valToPos(xs[i]!, "x"));
  }

  /** Puts the cursor somewhere, here and in the charts that share it. */
  private point(left: number): void {
    // The third parameter, that others are told, is missing in uPlot's types.
    const set = this.u?.setCursor as ((at: { left: number; top: number }, fire: boolean, tell: boolean) => void) | undefined;
    set?.({ left, top: left < 0 ? left : 10 }, true, true);
  }
}

/** The points without a neighbour, which lines do not show. */
function lonely(ys: ArrayLike<number | null | undefined> = []): number[] {
  return Array.from(ys).flatMap((y, i) => (y !== null && (ys[i - 1] ?? null) === null && (ys[i + 1] ?? null) === null ? [i] : []));
}

/** The last point at which a line has something. */
function newest(ys: (number | null)[][]): number | null {
  for (let i = (ys[0]?.length ?? 0) - 1; i >= 0; i--) if (ys.some((y) => (y[i] ?? null) !== null)) return i;
  return null;
}
