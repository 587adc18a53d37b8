// One rendition's newest entries as links (docs/spec/manifest.md 7.4 and 7.6): what entries are held against,
// whatever order they arrive in.
import { type Entry, order, type Position } from "../documents.ts";

/** How many of a rendition's newest entries are remembered: as many as a live window has at most. */
const chainWindow = 1024;

/** Why an entry is not taken in: it lies before what is remembered, breaks a link, or gives evidence of a fork. */
export type Breach = { kind: "outside" | "link" } | Fork;

/** One address was signed twice, or an entry follows a history other than the one known. Both verify. */
export interface Fork {
  kind: "fork";
  at: Position;
  /** Digests of the two payloads, or of the two histories. */
  known: string;
  seen: string;
}

/** What others are held against of an entry: less than all of it, for there are many. */
interface Link extends Position {
  digest: string;
  prev: string;
  msn: number;
  dsn: number;
  part: number;
}

export class Chain {
  private readonly links: Link[] = []; // by position

  /**
   * Takes in an entry whose signature was verified, with the digest of its payload, and holds it against its known
   * neighbours. One that is known already is no breach. An entry that fails leaves the chain as it was.
   */
  check(entry: Entry, digest: string): Breach | null {
    const { epoch, n, prev, msn, dsn, part } = entry;
    const l = { epoch, n, digest, prev, msn, dsn, part };
    const i = this.search(entry);
    const here = this.links[i];
    if (here && order(here, entry) === 0) return here.digest === digest ? null : { kind: "fork", at: place(entry), known: here.digest, seen: digest };
    const full = this.links.length === chainWindow;
    if (i === 0 && full) return { kind: "outside" };
    const before = this.links[i - 1];
    const breach = (before && between(before, l)) ?? (here && between(l, here)) ?? null;
    if (breach) return breach;
    if (before?.digest === prev) l.prev = before.digest; // one string in place of two
    this.links.splice(i, 0, l);
    if (full) this.links.shift();
    return null;
  }

  /** The last entry by position. */
  get newest(): Position | undefined {
    return this.links.at(-1);
  }

  /** The index of the first link at or after p. */
  private search(p: Position): number {
    let [low, high] = [0, this.links.length];
    while (low < high) {
      const mid = (low + high) >> 1;
      if (order(this.links[mid]!, p) < 0) low = mid + 1;
      else high = mid;
    }
    return low;
  }
}

/** Checks two links with nothing known between them. */
function between(a: Link, b: Link): Breach | null {
  if (a.epoch !== b.epoch) return null; // nothing is asked of two epochs: where all entries expired, counting starts afresh
  if (a.n + 1 === b.n) {
    if (b.prev !== a.digest) return { kind: "fork", at: place(a), known: a.digest, seen: b.prev };
    const steps =
      (b.msn === a.msn ? b.part === a.part + 1 && b.dsn === a.dsn : b.msn === a.msn + 1 && b.part === 0) && (b.dsn === a.dsn || b.dsn === a.dsn + 1);
    return steps ? null : { kind: "link" };
  }
  const steps = b.msn >= a.msn && b.dsn >= a.dsn && b.msn - a.msn <= b.n - a.n && (b.msn !== a.msn || b.part - a.part === b.n - a.n);
  return steps ? null : { kind: "link" };
}

function place(p: Position): Position {
  return { epoch: p.epoch, n: p.n };
}
