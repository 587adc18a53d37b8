// Reads the address of a stream's page: what a link hands over.

export interface Address {
  /** What "live/<name>/…" and "api/v1/…" are relative to. */
  base: URL;
  name: string;
  /** The stream id after #, null where the link has none. */
  id: string | null;
}

/** Reads …/live/<name>#<id> or …/embed/<name>#<id>; null for anything else. */
export function addressOf(href: string): Address | null {
  if (!URL.canParse(href)) return null;
  const url = new URL(href);
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  const found = /^(.*\/)(?:live|embed)\/([^/]+)\/?$/.exec(url.pathname);
  if (!found) return null;
  try {
    return { base: new URL(found[1]!, url), name: decodeURIComponent(found[2]!), id: url.hash.slice(1) || null };
  } catch {
    return null; // a % that begins no character
  }
}

/** The stream's own page. */
export function pageOf(a: Address): string {
  return new URL(`live/${encodeURIComponent(a.name)}${a.id ? `#${a.id}` : ""}`, a.base).href;
}
