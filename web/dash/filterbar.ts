// The range and the filters, above everything.
import { finder, set, write } from "../player/ui/dom.ts";
import type { Names } from "./names.ts";
import { filters, type Filter, type Range, type RangeName, type State } from "./state.ts";

const el = finder(document);
const anything: Record<Filter, string> = { stream: "All streams", region: "All regions", rendition: "All renditions", class: "All browsers" };

export interface Changes {
  range(r: Range): void;
  filter(name: Filter, value: string): void;
}

export class FilterBar {
  constructor(private readonly changes: Changes) {
    for (const input of document.querySelectorAll<HTMLInputElement>("input[name=range]")) {
      input.addEventListener("change", () => {
        if (input.value === "custom") this.custom(true);
        else changes.range(input.value as RangeName);
      });
    }
    el<HTMLFormElement>("custom").addEventListener("submit", (e) => {
      e.preventDefault();
      this.own();
    });
    for (const name of filters) {
      const select = el<HTMLSelectElement>(`filter-${name}`);
      select.addEventListener("change", () => changes.filter(name, select.value));
    }
    el("all").addEventListener("click", () => {
      for (const name of filters) changes.filter(name, "");
    });
  }

  draw(s: State, names: Names): void {
    const said = typeof s.range === "string" ? s.range : "custom";
    const input = document.querySelector<HTMLInputElement>(`input[name=range][value="${said}"]`);
    if (input) input.checked = true;
    if (typeof s.range !== "string") {
      el<HTMLInputElement>("from").value = local(s.range.from);
      el<HTMLInputElement>("to").value = local(s.range.to);
    }
    this.custom(said === "custom");
    for (const name of filters) {
      const select = el<HTMLSelectElement>(`filter-${name}`);
      const chosen = s.filters[name];
      const values = [...new Set(["", ...names.values[name], chosen])];
      const words = values.map((v) => (v === "" ? anything[name] : names.of(name, v)));
      if (select.dataset["shown"] !== JSON.stringify([values, words])) {
        set(select, "data-shown", JSON.stringify([values, words]));
        select.replaceChildren(...values.map((v, i) => new Option(words[i], v)));
      }
      select.value = chosen;
    }
    el("all").hidden = filters.every((f) => s.filters[f] === "");
  }

  private custom(shown: boolean): void {
    el("custom").hidden = !shown;
  }

  /** Takes the range that was typed. */
  private own(): void {
    const [from, to] = [Date.parse(el<HTMLInputElement>("from").value) / 1_000, Date.parse(el<HTMLInputElement>("to").value) / 1_000];
    const wrong = Number.isNaN(from) || Number.isNaN(to) ? "Give both a beginning and an end." : from >= to ? "The end must be after the beginning." : "";
    write(el("custom-wrong"), wrong);
    if (wrong === "") this.changes.range({ from, to });
  }
}

/** Unix seconds as fields for a local time have them. */
function local(s: number): string {
  const d = new Date(s * 1_000);
  return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
