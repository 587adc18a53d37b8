// Seeds and edges, as viewers saw them.
import { h } from "../player/ui/dom.ts";
import { lateness } from "./catalogue.ts";
import { csvLink, Grid } from "./grid.ts";
import { drawn } from "./overview.ts";
import { Plot } from "./plot.ts";
import { count, number, rowsOf, text } from "./table.ts";
import type { Context, View } from "./view.ts";
import { say } from "./words.ts";

export class Servers implements View {
  readonly element: HTMLElement;
  private readonly plot: Plot;
  private readonly grid = new Grid("Seeds and edges");
  private readonly csv = csvLink("seeds and edges");

  constructor(private readonly context: Context) {
    this.plot = new Plot(lateness, { key: "servers", zoom: context.zoom });
    this.element = h(
      "div",
      { class: "servers" },
      this.plot.element,
      h("section", { class: "card" }, h("div", { class: "heading" }, h("h2", {}, "Those that were late most often first"), this.csv), this.grid.element),
      h("p", { class: "none" }, "Viewers tell of the four that gave most. Of the filters, only the stream counts here."),
    );
  }

  async refresh(): Promise<void> {
    const { context } = this;
    this.csv.href = context.csv("servers");
    await Promise.all([
      drawn(context, lateness, this.plot),
      context.ask("servers").then(
        (a) => {
          this.grid.draw(
              [
                { title: "Peer", head: true, cell: (r) => h("span", { class: "mono" }, text(r["id"])) },
                { title: "Kind", cell: (r) => text(r["kind"]) },
                { title: "Stream", cell: (r) => context.names.of("stream", text(r["stream"])) },
                { title: "Blocks too late", figures: true, cell: (r) => `${say("count", number(r["blocks_late"]))} (${say("perMinute", number(r["blocks_late_a_minute"]))})` },
                { title: "Away", figures: true, cell: (r) => say("ms", number(r["rtt_mean_ms"])) },
                { title: "Gave each viewer", figures: true, cell: (r) => say("rate", count(r["goodput_mean_kbps"]) * 1e3) },
                { title: "Reports", figures: true, cell: (r) => say("count", number(r["reports"])) },
              ],
              rowsOf(a),
              "No viewer told of a seed or an edge in this range.",
          );
        },
        (e) => context.failed(e, (words) => this.grid.say(words)),
      ),
    ]);
  }

  remove(): void {
    this.plot.remove();
    this.element.remove();
  }
}
