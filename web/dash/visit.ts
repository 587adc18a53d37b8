// One visit over time: why did it stall?
import type uPlot from "uplot";
import { facts, h, write } from "../player/ui/dom.ts";
import type { ChartSpec } from "./catalogue.ts";
import { colour } from "./colours.ts";
import { neighbours, reportsOf, stalls, story, type Report, type Stall } from "./explain.ts";
import { csvLink, Grid } from "./grid.ts";
import { Plot } from "./plot.ts";
import { count, number, rowsOf, seconds, text, type Points, type Row } from "./table.ts";
import type { Context, View } from "./view.ts";
import { bytes, choices, clock, day, duration, say, states } from "./words.ts";

const buffer: ChartSpec = {
  id: "buffer", chart: "visit", title: "Buffer and delay", means: "What was there to be played, and how far behind the camera the picture was. Stalls are marked.", unit: "ms", missing: null,
  lines: [{ column: "", name: "Buffer", colour: "peer" }, { column: "", name: "Behind the camera", colour: "edge" }],
};
const from: ChartSpec = {
  id: "from", chart: "visit", title: "Where the bytes came from", means: "By who delivered them. Stalls are marked.", unit: "rate", missing: 0, stack: true,
  lines: [
    { column: "", name: "Viewers", colour: "peer" },
    { column: "", name: "Seeds", colour: "seed" },
    { column: "", name: "Edges", colour: "edge" },
    { column: "", name: "Origin", colour: "origin" },
  ],
};

export class Visit implements View {
  readonly element: HTMLElement;
  private readonly about = h("dl", { class: "facts" });
  private readonly why = h("div", { class: "why" });
  private readonly story = h("p", { class: "story" }, "Reading its reports…");
  private readonly near = new Grid("Who gave to this visit");
  private readonly all = new Grid("All reports of this visit");
  private readonly more = h("p", { class: "none", hidden: "" });
  private readonly plots: Plot[];
  private stalls: Stall[] = [];

  constructor(private readonly context: Context) {
    const options = { key: "visit", zoom: () => undefined, over: (u: uPlot) => this.mark(u) };
    this.plots = [new Plot(buffer, options), new Plot(from, options)];
    const csv = csvLink("all reports of this visit", context.csv("visit", this.which()));
    this.element = h(
      "div",
      { class: "visit" },
      h("section", { class: "card" }, h("div", { class: "heading" }, h("h2", {}, `Visit ${context.state.session.slice(0, 8)}`), csv), this.story, this.why, this.about),
      h("div", { class: "plots" }, ...this.plots.map((p) => p.element)),
      h("section", { class: "card" }, h("h2", {}, "Who gave to it"), this.near.element),
      h("section", { class: "card" }, h("h2", {}, "All of its reports"), this.all.element, this.more),
    );
  }

  private which(): Record<string, string> {
    return { session: this.context.state.session, stream: this.context.state.filters.stream };
  }

  async refresh(): Promise<void> {
    try {
      const a = await this.context.ask("visit", this.which());
      const reports = reportsOf(a);
      const rows = rowsOf(a);
      this.stalls = stalls(reports);
      write(this.story, story(reports));
      this.why.replaceChildren(...(this.stalls.length > 0 ? [h("ol", {}, ...this.stalls.slice(0, 50).map((s) => h("li", {}, s.words)))] : []));
      facts(this.about, this.factsOf(rows, reports));
      const csv = this.context.csv("visit", this.which());
      this.plots[0]!.draw(lines(reports, [(r) => r.bufferMs, (r) => r.delayMs || null]), csv, reports.length === 0);
      this.plots[1]!.draw(lines(reports, [bps((r) => r.peer), bps((r) => r.seed), bps((r) => r.edge), bps((r) => r.origin)]), csv, reports.length === 0);
      this.tables(rows, reports);
    } catch (e) {
      this.context.failed(e, (words) => write(this.story, words));
    }
  }

  private factsOf(rows: Row[], reports: Report[]): [string, string][] {
    const [first, last] = [rows[0], rows[rows.length - 1]];
    if (!first || !last) return [];
    const { names } = this.context;
    const total = (of: string) => rows.reduce((sum, r) => sum + count(r[of]), 0);
    return [
      ["Stream", names.of("stream", this.context.state.filters.stream)],
      ["Time", `${day(reports[0]!.at)}, ${clock(reports[0]!.at)} to ${clock(reports[reports.length - 1]!.at)}`],
      ["State", states[text(last["state"])] ?? text(last["state"])],
      ["Watched", duration(total("played_ms") / 1_000)],
      ["Browser", names.of("class", text(last["class"]))],
      ["Region", names.of("region", text(last["region"]))],
      ["Rendition", names.of("rendition", text(last["rendition"]))],
      ["Choice", choices[text(last["consent"])] ?? "not told"],
      ["Received", bytes(total("peer_bytes") + total("seed_bytes") + total("edge_bytes") + total("origin_bytes"))],
      ["Gave", bytes(total("given_bytes"))],
      ["Pictures not shown", say("count", Math.max(0, ...rows.map((r) => count(r["dropped"]))))],
    ];
  }

  private tables(rows: Row[], reports: Report[]): void {
    this.near.draw(
          [
            { title: "Peer", head: true, cell: (r) => h("span", { class: "mono" }, text(r["id"])) },
            { title: "Kind", cell: (r) => (r["kind"] === "peer" ? "viewer" : text(r["kind"])) },
            { title: "Blocks too late", figures: true, cell: (r) => say("count", number(r["late"])) },
            { title: "Away", figures: true, cell: (r) => say("ms", number(r["rttMs"])) },
            { title: "Gave", figures: true, cell: (r) => say("rate", count(r["kbps"]) * 1e3) },
            { title: "Reports", figures: true, cell: (r) => say("count", number(r["told"])) },
          ],
          neighbours(reports).map((n) => ({ ...n })),
          "No neighbours were reported.",
      );
    this.all.draw(
        [
          { title: "Time", head: true, cell: (r) => clock(seconds(r["at"])) },
          { title: "State", cell: (r) => states[text(r["state"])] ?? text(r["state"]) },
          { title: "Buffer", figures: true, cell: (r) => say("ms", number(r["buffer_ms"])) },
          { title: "Behind", figures: true, cell: (r) => (count(r["delay_ms"]) === 0 ? "–" : say("ms", number(r["delay_ms"]))) },
          { title: "Stood", figures: true, cell: (r) => (count(r["dry_ms"]) === 0 ? "–" : say("ms", number(r["dry_ms"]))) },
          { title: "Viewers", figures: true, cell: (r) => bytes(count(r["peer_bytes"])) },
          { title: "Seeds", figures: true, cell: (r) => bytes(count(r["seed_bytes"])) },
          { title: "Edges", figures: true, cell: (r) => bytes(count(r["edge_bytes"])) },
          { title: "Origin", figures: true, cell: (r) => bytes(count(r["origin_bytes"])) },
          { title: "Late pieces", figures: true, cell: (r) => say("count", number(r["late"])) },
          { title: "Connected", figures: true, cell: (r) => say("count", number(r["peers"])) },
        ],
        rows.slice(-500).reverse(),
        "There are no reports of this visit.",
    );
    write(this.more, `These are the last 500 of ${rows.length}; the CSV has all.`);
    this.more.hidden = rows.length <= 500;
  }

  /** Marks the stalls. */
  private mark(u: uPlot): void {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.globalAlpha = 0.35;
    ctx.fillStyle = colour("bad");
    for (const s of this.stalls) {
      const [x0, x1] = [u.valToPos(s.from, "x", true), u.valToPos(s.to, "x", true)];
      const left = Math.max(bbox.left, x0);
      const right = Math.min(bbox.left + bbox.width, Math.max(x1, x0 + 4));
      if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.restore();
  }

  remove(): void {
    for (const p of this.plots) p.remove();
    this.element.remove();
  }
}

function lines(reports: Report[], of: ((r: Report) => number | null)[]): Points {
  const sorted = reports.filter((r, i) => i === 0 || r.at > reports[i - 1]!.at); // two of one moment would be one point
  return [sorted.map((r) => r.at), ...of.map((f) => sorted.map(f))];
}

function bps(of: (r: Report) => number): (r: Report) => number {
  return (r) => (r.intervalMs > 0 ? (of(r) * 8_000) / r.intervalMs : 0);
}
