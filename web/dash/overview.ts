// The overview: tiles, charts over time, and the range by stream, region, rendition, class and choice.
import { h, write } from "../player/ui/dom.ts";
import { overview, type ChartSpec } from "./catalogue.ts";
import { csvLink, doing, Grid, type Column } from "./grid.ts";
import { Plot } from "./plot.ts";
import { filters, type Filter } from "./state.ts";
import { count, number, points, rowsOf, text, type Row } from "./table.ts";
import type { Context, View } from "./view.ts";
import { bytes, choices, duration, say } from "./words.ts";

const breakdowns = [
  { by: "stream", title: "By stream", heading: "Stream" },
  { by: "region", title: "By region", heading: "Region" },
  { by: "rendition", title: "By rendition", heading: "Rendition" },
  { by: "class", title: "By browser", heading: "Browser" },
  { by: "consent", title: "By viewers’ choice", heading: "Choice" },
];

export class Overview implements View {
  readonly element = h("div", { class: "overview" });
  private readonly tiles: Tile[];
  private readonly plots: Plot[];
  private readonly tables = breakdowns.map((b) => new Breakdown(b.by, b.title, b.heading));

  constructor(private readonly context: Context) {
    this.tiles = ["Viewers now", "Behind the camera", "From other viewers", "Waiting", "Until the first picture", "Egress saved"].map((name) => new Tile(name));
    this.plots = overview.map((spec) => new Plot(spec, { key: "overview", zoom: context.zoom }));
    this.element.append(
      h("ul", { class: "tiles", "aria-label": "The range in figures" }, ...this.tiles.map((t) => t.element)),
      h("div", { class: "plots" }, ...this.plots.map((p) => p.element)),
      h("div", { class: "tables" }, ...this.tables.map((t) => t.element)),
    );
  }

  async refresh(): Promise<void> {
    const { ask } = this.context;
    await Promise.all([
      ask("summary").then((a) => this.sum(rowsOf(a)[0] ?? {})),
      ...overview.map((spec, i) => drawn(this.context, spec, this.plots[i]!)),
      ...this.tables.map(async (t) => t.draw(rowsOf(await ask(`by-${t.by}`)), this.context)),
    ]);
  }

  private sum(r: Row): void {
    const [now, delay, offload, waiting, start, saved] = this.tiles as [Tile, Tile, Tile, Tile, Tile, Tile];
    now.show(say("count", number(r["viewers"])), `${duration(count(r["hours"]) * 3_600)} watched in this range`);
    delay.show(say("ms", number(r["delay_p95_ms"])), `19 of 20 below; half below ${say("ms", number(r["delay_p50_ms"]))}`);
    offload.show(say("share", number(r["offload"])), `of ${bytes(count(r["bytes"]))}`);
    waiting.show(say("share", number(r["rebuffering_ratio"])), `${say("count", count(r["stalls"]))} stalls, ${say("perHour", number(r["stalls_per_viewer_hour"]))}`);
    start.show(say("ms", number(r["startup_p50_ms"])), `half below; ${left(count(r["left_before_start"]), count(r["visits_begun"]))}`);
    const price = count(r["price"]);
    saved.show(bytes(count(r["saved_bytes"])), price > 0 ? `worth ${say("money", number(r["saved_money"]))}, at ${price} for 1 GB` : "set --egress-price to see its worth");
  }

  remove(): void {
    for (const p of this.plots) p.remove();
    this.element.remove();
  }
}

function left(gone: number, visits: number): string {
  if (visits === 0) return "no visits began";
  return gone === 0 ? "nobody left before" : `${gone} of ${visits} visits left before`;
}

/** Asks for a chart and draws it; what goes wrong with one is said in its place. */
export async function drawn(context: Context, spec: ChartSpec, plot: Plot): Promise<void> {
  const columns = spec.lines.map((l) => l.column);
  try {
    const a = await context.ask(spec.chart);
    plot.draw(points(a, columns, spec.missing), context.csv(spec.chart), a.rows.length === 0);
  } catch (e) {
    context.failed(e, (words) => plot.say(words));
  }
}

class Tile {
  private readonly value = h("b", {}, "–");
  private readonly more = h("span", { class: "more" });
  readonly element: HTMLElement;

  constructor(name: string) {
    this.element = h("li", { class: "tile card" }, h("span", { class: "what" }, name), this.value, this.more);
  }

  show(value: string, more: string): void {
    write(this.value, value);
    write(this.more, more);
  }
}

class Breakdown {
  private readonly grid: Grid;
  private readonly csv: HTMLAnchorElement;
  readonly element: HTMLElement;

  constructor(
    readonly by: string,
    title: string,
    private readonly heading: string,
  ) {
    this.grid = new Grid(title);
    this.csv = csvLink(title);
    this.element = h("section", { class: "card breakdown" }, h("div", { class: "heading" }, h("h2", {}, title), this.csv), this.grid.element);
  }

  draw(rows: Row[], context: Context): void {
    this.csv.href = context.csv(`by-${this.by}`);
    this.grid.draw(this.columns(context), rows, "Nobody watched in this range.");
  }

  private columns(context: Context): Column[] {
    return [
      { title: this.heading, head: true, cell: (r) => this.value(text(r["value"]), context) },
      { title: "Viewers", figures: true, cell: (r) => say("count", number(r["viewers"])) },
      { title: "Behind", figures: true, cell: (r) => say("ms", number(r["delay_p95_ms"])) },
      { title: "Waiting", figures: true, cell: (r) => say("share", number(r["rebuffering_ratio"])) },
      { title: "First picture", figures: true, cell: (r) => say("ms", number(r["startup_p50_ms"])) },
      { title: "From viewers", figures: true, cell: (r) => say("share", number(r["offload"])) },
      { title: "Bytes", figures: true, cell: (r) => bytes(count(r["bytes"])) },
    ];
  }

  private value(value: string, context: Context): Node | string {
    const filter = filters.find((f): f is Filter => f === this.by);
    if (!filter) return choices[value] ?? context.names.of("", value);
    const words = context.names.of(filter, value);
    return value === "" ? words : doing(words, `Show only ${filter === "class" ? "browser" : filter} ${words}`, () => context.filter(filter, value));
  }
}
