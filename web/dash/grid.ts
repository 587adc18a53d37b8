// Tables of figures, with a heading, that can be wider than a phone.
import { h } from "../player/ui/dom.ts";
import type { Row } from "./table.ts";

export interface Column {
  title: string;
  /** The text of a cell, or what stands in it. */
  cell(row: Row): Node | string;
  /** It names the row. */
  head?: boolean;
  /** Its figures stand below each other. */
  figures?: boolean;
}

/** A table that is drawn again and again, and keeps where one has scrolled to and what has the focus. */
export class Grid {
  readonly element: HTMLElement;
  private drawn = "";

  /** A caption is for those who cannot see what the table stands under. */
  constructor(private readonly caption: string) {
    this.element = h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": caption });
  }

  draw(columns: Column[], rows: Row[], empty: string): void {
    const want = JSON.stringify([columns.map((c) => c.title), rows, empty]);
    if (want === this.drawn) return;
    this.drawn = want;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    this.element.replaceChildren(rows.length === 0 ? h("p", { class: "none" }, empty) : this.table(columns, rows));
    if (!focused || focused === this.element) return;
    const same = [...this.element.querySelectorAll<HTMLElement>("a, button")].find((e) => e.textContent === focused.textContent);
    (same ?? this.element).focus({ preventScroll: true });
  }

  /** Says something instead of a table. */
  say(words: string): void {
    this.draw([], [], words);
  }

  private table(columns: Column[], rows: Row[]): HTMLElement {
    const head = columns.map((c) => h("th", { scope: "col", ...(c.figures ? { class: "right" } : {}) }, c.title));
    const body = rows.map((row) =>
      h("tr", {}, ...columns.map((c) => (c.head ? h("th", { scope: "row" }, c.cell(row)) : h("td", c.figures ? { class: "right" } : {}, c.cell(row))))),
    );
    return h("table", {}, h("caption", { class: "hidden" }, this.caption), h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body));
  }
}

/** A cell that does something. */
export function doing(words: string, label: string, act: () => void): HTMLButtonElement {
  const b = h("button", { type: "button", class: "doing", "aria-label": label }, words);
  b.addEventListener("click", act);
  return b;
}

/** A link to a chart as CSV. */
export function csvLink(of: string, href = ""): HTMLAnchorElement {
  return h("a", { class: "csv", download: "", href, "aria-label": `CSV: ${of}` }, "CSV");
}
