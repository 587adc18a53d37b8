// The last reports, as they come.
import { h } from "../player/ui/dom.ts";
import { csvLink, Grid } from "./grid.ts";
import { count, number, rowsOf, seconds, text, type Row } from "./table.ts";
import type { Context, View } from "./view.ts";
import { bytes, clock, say, states } from "./words.ts";

const kept = 200;
const plays = (r: Row) => r["reporter"] === "page" || r["reporter"] === "watch";

export class Live implements View {
  readonly element: HTMLElement;
  private readonly grid = new Grid("The last reports");
  private rows: Row[] = [];

  constructor(private readonly context: Context) {
    const csv = csvLink("the last reports", context.csv("tail"));
    this.element = h("section", { class: "card" }, h("div", { class: "heading" }, h("h2", {}, "The last reports, newest first"), csv), this.grid.element);
  }

  async refresh(): Promise<void> {
    const newest = this.rows[0];
    try {
      const fresh = rowsOf(await this.context.ask("tail", newest ? { after: text(newest["received"]) } : {}));
      this.rows = [...fresh, ...this.rows].slice(0, kept);
      this.draw();
    } catch (e) {
      this.context.failed(e, (words) => this.grid.say(words));
    }
  }

  private draw(): void {
    const { names } = this.context;
    const all = (r: Row) => ["peer", "seed", "edge", "origin"].reduce((sum, s) => sum + count(r[`${s}_bytes`]), 0);
    this.grid.draw(
        [
          { title: "Came", head: true, cell: (r) => clock(seconds(r["received"])) },
          { title: "From", cell: (r) => `${text(r["reporter"])} ${text(r["session"]).slice(0, 8)}` },
          { title: "Stream", cell: (r) => names.of("stream", text(r["stream"])) },
          { title: "State", cell: (r) => (plays(r) ? (states[text(r["state"])] ?? "–") : "–") },
          { title: "Buffer", figures: true, cell: (r) => (plays(r) ? say("ms", number(r["buffer_ms"])) : "–") },
          { title: "Behind", figures: true, cell: (r) => (count(r["delay_ms"]) === 0 ? "–" : say("ms", number(r["delay_ms"]))) },
          { title: "Stood", figures: true, cell: (r) => (count(r["dry_ms"]) === 0 ? "–" : say("ms", number(r["dry_ms"]))) },
          { title: "Received", figures: true, cell: (r) => bytes(all(r)) },
          { title: "Gave", figures: true, cell: (r) => bytes(count(r["given_bytes"])) },
          { title: "Connected", figures: true, cell: (r) => say("count", number(r["peers"])) },
          { title: "Browser", cell: (r) => text(r["class"]) || "–" },
        ],
        this.rows,
        "No report has come in the last two minutes. Viewers report while they watch, unless they turned it off.",
    );
  }

  remove(): void {
    this.element.remove();
  }
}
