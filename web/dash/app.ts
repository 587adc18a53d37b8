// The dashboard: who is logged in sees the view that the address names, drawn again every few seconds.
import { finder, set, write } from "../player/ui/dom.ts";
import { type Answer, Away, addressOf, chart, csvOf, LoginNeeded, logout, status } from "./api.ts";
import { FilterBar } from "./filterbar.ts";
import { Live } from "./live.ts";
import { askForToken } from "./login.ts";
import { Names } from "./names.ts";
import { Overview } from "./overview.ts";
import { every, live, Refresh } from "./refresh.ts";
import { Servers } from "./servers.ts";
import { format, parse, questionOf, type State, type ViewName } from "./state.ts";
import type { Context, View } from "./view.ts";
import { Visit } from "./visit.ts";
import { Visits } from "./visits.ts";
import { clock } from "./words.ts";

const el = finder(document);
const sections = ["login", "away", "dash"] as const;
const retry = 10;
const made: Record<ViewName, new (c: Context) => View> = { overview: Overview, visits: Visits, servers: Servers, live: Live, visit: Visit };

class App {
  private state: State = parse(location.search);
  private readonly names = new Names();
  private readonly refresh = new Refresh(() => void this.again());
  private readonly bar = new FilterBar({
    range: (range) => this.go({ range }),
    filter: (name, value) => this.go({ filters: { ...this.state.filters, [name]: value } }),
  });
  private view: View | null = null;
  /** Requests of a view that is no more are given up. */
  private giveUp = new AbortController();
  private step = 0;
  private asked = new Map<string, Promise<Answer>>();

  constructor() {
    askForToken(() => void this.again());
    addEventListener("popstate", () => this.take(parse(location.search)));
    el("pause").addEventListener("click", () => this.pause());
    el("logout").addEventListener("click", () => void logout().catch(() => undefined).then(() => this.again()));
    el("try").addEventListener("click", () => void this.again());
    for (const a of document.querySelectorAll<HTMLAnchorElement>("#views a")) {
      a.addEventListener("click", (e) => {
        if (e.metaKey || e.ctrlKey || e.shiftKey) return;
        e.preventDefault();
        this.go({ view: a.dataset["view"] as ViewName, session: "" });
      });
    }
    this.draw();
    void this.again();
  }

  private go(change: Partial<State>): void {
    const next = { ...this.state, ...change };
    const query = format(next);
    if (query !== location.search) history.pushState(null, "", query || location.pathname);
    this.take(next);
  }

  private take(next: State): void {
    const moved = next.view !== this.state.view;
    this.state = next;
    this.giveUp.abort();
    this.giveUp = new AbortController();
    this.view?.remove();
    this.view = null;
    this.draw();
    if (moved) scrollTo(0, 0);
    void this.again();
  }

  private draw(): void {
    this.bar.draw(this.state, this.names);
    for (const a of document.querySelectorAll<HTMLAnchorElement>("#views a")) {
      const view = a.dataset["view"] as ViewName;
      a.href = format({ ...this.state, view, session: "" }) || location.pathname;
      set(a, "aria-current", view === this.state.view || (view === "visits" && this.state.view === "visit") ? "page" : null);
    }
  }

  private async again(): Promise<void> {
    const { signal } = this.giveUp;
    try {
      await status();
      this.asked = new Map();
      if (!this.view) {
        this.view = new made[this.state.view](this.context());
        el("view").replaceChildren(this.view.element);
      }
      this.show("dash");
      const q = questionOf(this.state);
      for (const f of ["stream", "region", "rendition", "class"]) q.delete(f); // what else there is to choose
      this.names.take(await chart("values", q, signal));
      this.bar.draw(this.state, this.names);
      await this.view.refresh();
      const pause = this.state.view === "live" ? live : every(this.step);
      write(el("fresh"), `As of ${clock(Date.now() / 1_000)}, every ${pause} s`);
      this.refresh.next(pause);
    } catch (e) {
      if (signal.aborted) return;
      this.trouble(e);
    }
  }

  private trouble(e: unknown): void {
    if (e instanceof LoginNeeded) {
      this.show("login");
      el("token").focus();
      return;
    }
    const words = e instanceof Error ? e.message : String(e);
    if (e instanceof Away) {
      write(el("away-why"), words);
      this.show("away");
    } else write(el("fresh"), words);
    this.refresh.next(retry);
  }

  private show(which: (typeof sections)[number]): void {
    for (const s of sections) el(s).hidden = s !== which;
    el("logout").hidden = which === "login";
  }

  private pause(): void {
    this.refresh.pause(!this.refresh.paused);
    set(el("pause"), "aria-pressed", String(this.refresh.paused));
    write(el("pause"), this.refresh.paused ? "Go on" : "Pause");
  }

  private context(): Context {
    const { state, names } = this;
    const { signal } = this.giveUp;
    const question = (more: Record<string, string> = {}) => {
      const q = questionOf(state);
      for (const [name, value] of Object.entries(more)) if (value !== "") q.set(name, value);
      return q;
    };
    return {
      state,
      names,
      ask: (name, more) => {
        const q = question(more);
        const key = addressOf(name, q);
        let answer = this.asked.get(key);
        if (!answer) this.asked.set(key, (answer = chart(name, q, signal)));
        void answer.then((a) => (this.step = a.step)).catch(() => undefined);
        return answer;
      },
      csv: (name, more) => csvOf(name, question(more)),
      failed: (e, say) => {
        if (e instanceof LoginNeeded || e instanceof Away || signal.aborted) throw e;
        say(e instanceof Error ? e.message : String(e));
      },
      zoom: (from, to) => this.go({ range: { from, to } }),
      filter: (name, value) => this.go({ filters: { ...state.filters, [name]: value } }),
      go: (change) => this.go(change),
    };
  }
}

new App();
