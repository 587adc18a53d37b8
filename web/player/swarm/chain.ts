// One rendition's newest entries as links (docs/spec/manifest.md 7.4 and 7.6): what entries are held against,
// whatever order they arrive in.
import { type Entry, order, type Position } from "../documents.ts";

/** How many of a rendition's newest entries are remembered. */
const chainWindow = 4096;

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

interface Link {
  entry: Entry;
  digest: string;
}

export class Chain {
  private readonly links: Link[] = []; // by position

  /**
   * Takes in an entry whose signature was verified, with the digest of its payload, and holds it against its known
   * neighbours. One that is known already is no breach. An entry that fails leaves the chain as it was.
   */
  check(entry: Entry, digest: string): Breach | null {
    const l = { entry, digest };
    const i = this.search(entry);
    const here = this.links[i];
    if (here && order(here.entry, entry) === 0) return here.digest === digest ? null : { kind: "fork", at: place(entry), known: here.digest, seen: digest };
    const full = this.links.length === chainWindow;
    if (i === 0 && full) return { kind: "outside" };
    const before = this.links[i - 1];
    const breach = (before && between(before, l)) ?? (here && between(l, here)) ?? null;
    if (breach) return breach;
    this.links.splice(i, 0, l);
    if (full) this.links.shift();
    return null;
  }

  /** The last entry by position. */
  get newest(): Entry | undefined {
    return this.links.at(-1)?.entry;
  }

  /** The index of the first link at or after p. */
  private search(p: Position): number {
    let [low, high] = [0, this.links.length];
    while (low < high) {
      const mid = (low + high) >> 1;
      if (order(this.links[mid]!.entry, p) < 0) low = mid + 1;
      else high = mid;
    }
    return low;
  }
}

/** Checks two links with nothing known between them. */
function between(first: Link, next: Link): Breach | null {
  const [a, b] = [first.entry, next.entry];
  if (a.epoch !== b.epoch) return null; // nothing is asked of two epochs: where all entries expired, counting starts afresh
  if (a.n + 1 === b.n) {
    if (b.prev !== first.digest) return { kind: "fork", at: place(a), known: first.digest, seen: b.prev };
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
