// What the dashboard shows, as its address says it: whoever is given the address sees the same.

export const views = ["overview", "visits", "servers", "live", "visit"] as const;
export type ViewName = (typeof views)[number];

export const ranges = ["15m", "1h", "6h", "24h", "7d"] as const;
export type RangeName = (typeof ranges)[number];

/** A range back from now, or one that stands, in Unix seconds. */
export type Range = RangeName | { from: number; to: number };

export const filters = ["stream", "region", "rendition", "class"] as const;
export type Filter = (typeof filters)[number];

/** Visits of one kind; empty for all. */
export const kinds = ["", "stalled", "left", "failed", "watching"] as const;
export type Kind = (typeof kinds)[number];

export interface State {
  view: ViewName;
  range: Range;
  filters: Record<Filter, string>;
  only: Kind;
  /** Of the visit that is shown. */
  session: string;
}

const first: RangeName = "1h";

function among<T extends string>(all: readonly T[], said: string | null, otherwise: T): T {
  return all.find((one) => one === said) ?? otherwise;
}

/** Reads an address's query; what makes no sense there is as if it were not there. */
export function parse(search: string): State {
  const q = new URLSearchParams(search);
  const session = q.get("session") ?? "";
  const stream = q.get("stream") ?? "";
  const view = among(views, q.get("view"), "overview");
  return {
    view: view === "visit" && (session === "" || stream === "") ? "visits" : view,
    range: rangeOf(q),
    filters: { stream, region: q.get("region") ?? "", rendition: q.get("rendition") ?? "", class: q.get("class") ?? "" },
    only: among(kinds, q.get("only"), ""),
    session,
  };
}

function rangeOf(q: URLSearchParams): Range {
  const [from, to] = [Number(q.get("from")), Number(q.get("to"))];
  if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from > 0 && from < to) return { from, to };
  return among(ranges, q.get("range"), first);
}

/** Writes a state as a query, without what goes without saying. */
export function format(s: State): string {
  const q = questionOf(s);
  if (q.get("range") === first) q.delete("range");
  if (s.view !== "overview") q.set("view", s.view);
  if (s.only !== "") q.set("only", s.only);
  if (s.view === "visit") q.set("session", s.session);
  const text = q.toString();
  return text === "" ? "" : `?${text}`;
}

/** What every chart is asked with: the range and the filters. */
export function questionOf(s: State): URLSearchParams {
  const q = new URLSearchParams();
  if (typeof s.range === "string") q.set("range", s.range);
  else {
    q.set("from", String(s.range.from));
    q.set("to", String(s.range.to));
  }
  for (const name of filters) if (s.filters[name] !== "") q.set(name, s.filters[name]);
  return q;
}
