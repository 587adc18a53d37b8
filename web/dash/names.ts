// What there is to choose from, and what streams are called.
import type { Answer } from "./api.ts";
import { rowsOf, text } from "./table.ts";
import type { Filter } from "./state.ts";
import { short } from "./words.ts";

export class Names {
  private readonly called = new Map<string, string>();
  values: Record<Filter, string[]> = { stream: [], region: [], rendition: [], class: [] };

  take(a: Answer): void {
    this.values = { stream: [], region: [], rendition: [], class: [] };
    for (const row of rowsOf(a)) {
      const value = text(row["value"]);
      this.values[text(row["kind"]) as Filter]?.push(value);
      if (text(row["name"]) !== "") this.called.set(value, text(row["name"]));
    }
  }

  /** What a value is called where people read it. */
  of(filter: string, value: string): string {
    if (filter === "stream") return this.called.get(value) ?? short(value);
    return value === "" ? "not told" : value;
  }
}
