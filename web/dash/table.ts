// Answers as what draws them takes them.
import type { Answer, Cell } from "./api.ts";

export type Row = Record<string, Cell>;

/** The rows of an answer, with their columns by name. */
export function rowsOf(a: Answer): Row[] {
  return a.rows.map((row) => Object.fromEntries(a.columns.map((name, i) => [name, row[i] ?? null])));
}

export function number(c: Cell | undefined): number | null {
  return typeof c === "number" ? c : null;
}

export function count(c: Cell | undefined): number {
  return typeof c === "number" ? c : 0;
}

export function text(c: Cell | undefined): string {
  return typeof c === "string" ? c : "";
}

export function list(c: Cell | undefined): Cell[] {
  return Array.isArray(c) ? c : [];
}

/** Unix seconds of a time as it comes. */
export function seconds(c: Cell | undefined): number {
  return Date.parse(text(c)) / 1_000;
}

export type Points = [xs: number[], ...ys: (number | null)[][]];

/** A point for every step of the range; where there is nothing, there is what `missing` says. */
export function points(a: Answer, columns: string[], missing: 0 | null): Points {
  const byTime = new Map(rowsOf(a).map((row) => [seconds(row["time"]), row]));
  const xs: number[] = [];
  for (let t = a.from; t < a.to; t += a.step) xs.push(t);
  return [xs, ...columns.map((c) => xs.map((t) => (byTime.has(t) ? number(byTime.get(t)?.[c]) : missing)))];
}

/** Each series on top of the ones after it, so that what is drawn later covers all but its own part. */
export function stacked(p: Points): Points {
  const [xs, ...ys] = p;
  const sums: (number | null)[][] = [];
  for (const own of [...ys].reverse()) {
    const below = sums[0];
    sums.unshift(own.map((y, i) => (below ? (below[i] ?? 0) + (y ?? 0) : (y ?? 0))));
  }
  return [xs, ...sums];
}
