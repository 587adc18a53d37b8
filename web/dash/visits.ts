// The list of visits, the worst first.
import { h } from "../player/ui/dom.ts";
import { csvLink, Grid, type Column } from "./grid.ts";
import { format, kinds, type Kind } from "./state.ts";
import { count, number, rowsOf, seconds, text, type Row } from "./table.ts";
import type { Context, View } from "./view.ts";
import { duration, moment, say, states } from "./words.ts";

const called: Record<Kind, string> = { "": "All", stalled: "Stalled", left: "Left before the picture", failed: "Failed", watching: "Watching now" };

export class Visits implements View {
  readonly element: HTMLElement;
  private readonly grid = new Grid("Visits");
  private readonly csv = csvLink("visits");
  private readonly more = h("p", { class: "none", hidden: "" }, "These are the worst 200: a filter or a shorter range shows others.");

  constructor(private readonly context: Context) {
    const choices = kinds.map((k) => {
      const input = h("input", { type: "radio", name: "only", value: k });
      input.checked = context.state.only === k;
      input.addEventListener("change", () => context.go({ only: k }));
      return h("label", {}, input, called[k]);
    });
    this.element = h(
      "section",
      { class: "card" },
      h("div", { class: "heading" }, h("h2", {}, "Visits, the worst first"), this.csv),
      h("fieldset", { class: "modes" }, h("legend", { class: "hidden" }, "Which visits"), ...choices),
      this.grid.element,
      this.more,
    );
  }

  async refresh(): Promise<void> {
    const { only } = this.context.state;
    this.csv.href = this.context.csv("visits", { only });
    try {
      const rows = rowsOf(await this.context.ask("visits", { only }));
      this.grid.draw(this.columns(), rows, only === "" ? "No visit was there in this range." : "No such visit was there in this range.");
      this.more.hidden = rows.length < 200;
    } catch (e) {
      this.context.failed(e, (words) => this.grid.say(words));
    }
  }

  private columns(): Column[] {
    const { names, state } = this.context;
    return [
      { title: "Visit", head: true, cell: (r) => this.link(r) },
      { title: "Stream", cell: (r) => text(r["name"]) || names.of("stream", text(r["stream"])) },
      { title: "Began", cell: (r) => moment(Math.floor(seconds(r["began"]))) },
      { title: "State", cell: (r) => (r["left_before_start"] === true ? "left before the picture" : (states[text(r["state"])] ?? text(r["state"]))) },
      { title: "Waiting", figures: true, cell: (r) => say("share", number(r["rebuffering_ratio"])) },
      { title: "Stalls", figures: true, cell: (r) => say("count", number(r["stall_count"])) },
      { title: "Stood", figures: true, cell: (r) => duration(count(r["stalled_s"])) },
      { title: "Watched", figures: true, cell: (r) => duration(count(r["played_s"])) },
      { title: "First picture", figures: true, cell: (r) => (count(r["startup_ms"]) === 0 ? "–" : say("ms", number(r["startup_ms"]))) },
      { title: "Most behind", figures: true, cell: (r) => (count(r["delay_worst_ms"]) === 0 ? "–" : say("ms", number(r["delay_worst_ms"]))) },
      { title: "From viewers", figures: true, cell: (r) => say("share", number(r["offload"])) },
      { title: "Browser", cell: (r) => names.of("class", text(r["class"])) },
      ...(state.filters.region === "" ? [{ title: "Region", cell: (r: Row) => names.of("region", text(r["region"])) }] : []),
    ];
  }

  private link(r: Row): Node {
    const { state, go } = this.context;
    const session = text(r["session"]);
    const change = { view: "visit" as const, session, filters: { ...state.filters, stream: text(r["stream"]) } };
    const a = h("a", { href: format({ ...state, ...change }) || "?", class: "mono" }, session.slice(0, 8));
    a.addEventListener("click", (e) => {
      if (e.metaKey || e.ctrlKey || e.shiftKey) return;
      e.preventDefault();
      go(change);
    });
    return a;
  }

  remove(): void {
    this.element.remove();
  }
}
