// The sources of the last minute: a bar a second, sources stacked above the line, what
// was given below it. Its words stand in the legend and in its text alternative.
import type { Second, View } from "../view.ts";
import { h, set, svg, write } from "./dom.ts";
import { bytes, lastMinute, percents, rate, sourceNames, sources } from "./words.ts";

const seconds = 60;
const high = 100; // of the drawing, stretched to the room there is
const wide = 0.76; // of a second, is bar

/** The geometry of the chart. */
export interface Bars {
  /** Path data by series, for a drawing 60 wide and 100 high. */
  paths: Record<(typeof sources)[number] | "up", string>;
  /** Where the line between taken and given is, from above. */
  base: number;
  /** bit/s at the top. */
  top: number;
}

export function bars(minute: Second[]): Bars {
  const taken = (s: Second) => s.peer + s.seed + s.edge + s.origin;
  const top = roundUp(Math.max(12_500, ...minute.map(taken)));
  const given = Math.max(...minute.map((s) => s.up), 0);
  const low = given > 0 ? Math.max(roundUp(given), top / 5) : 0;
  const scale = high / (top + low);
  const base = top * scale;
  const paths = { peer: "", seed: "", edge: "", origin: "", up: "" };
  for (const [i, s] of minute.entries()) {
    const x = seconds - minute.length + i + (1 - wide) / 2;
    let y = base;
    for (const source of sources) {
      if (s[source] === 0) continue;
      paths[source] += bar(x, (y -= s[source] * scale), s[source] * scale);
    }
    if (s.up > 0) paths.up += bar(x, base + 0.8, s.up * scale);
  }
  return { paths, base, top: top * 8 };
}

function bar(x: number, y: number, height: number): string {
  return `M${x.toFixed(2)} ${y.toFixed(2)}h${wide}v${height.toFixed(2)}h-${wide}z`;
}

/** The next of 1, 1.5, 2, 3, 5, 8 times a power of ten: a scale that seldom changes. */
function roundUp(n: number): number {
  const ten = 10 ** Math.floor(Math.log10(n));
  return ten * ([1, 1.5, 2, 3, 5, 8].find((step) => step * ten >= n) ?? 10);
}

export class SourcesChart {
  readonly element: HTMLElement;
  private readonly drawing = svg("svg", { class: "bars", viewBox: `0 0 ${seconds} ${high}`, preserveAspectRatio: "none", role: "img" });
  private readonly line = svg("line", { class: "base", x1: 0, x2: seconds });
  private readonly paths = Object.fromEntries(["up", ...sources].map((s) => [s, svg("path", { class: `fill-${s}` })]));
  private readonly top = h("span", { class: "top" });
  private readonly shares = Object.fromEntries(["up", ...sources].map((s) => [s, h("b")]));

  constructor() {
    this.drawing.append(...Object.values(this.paths), this.line);
    const entry = (key: string, name: string) => h("li", {}, h("i", { class: `swatch back-${key}` }), name, " ", this.shares[key]!);
    this.element = h(
      "figure",
      { class: "chart" },
      h("figcaption", {}, "The last minute"),
      h("div", { class: "plot" }, this.top, this.drawing),
      h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, "60 s ago"), h("span", {}, "now")),
      h("ul", { class: "legend" }, ...sources.map((s) => entry(s, sourceNames[s])), entry("up", "You gave")),
    );
  }

  draw(v: View): void {
    const { paths, base, top } = bars(v.swarm.minute);
    for (const [key, path] of Object.entries(paths)) set(this.paths[key]!, "d", path);
    for (const end of ["y1", "y2"]) set(this.line, end, base.toFixed(2));
    write(this.top, rate(top));
    const m = lastMinute(v);
    const share = percents(m);
    for (const s of sources) write(this.shares[s]!, `${share[s]} %`);
    write(this.shares["up"]!, bytes(m.up));
    const told = sources.filter((s) => share[s] > 0).map((s) => `${sourceNames[s]} ${share[s]} %`);
    set(this.drawing, "aria-label", `Sources of the last minute: ${told.join(", ") || "none yet"}. Given: ${bytes(m.up)}.`);
  }
}
