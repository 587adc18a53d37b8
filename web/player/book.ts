// The entries of one rendition's window, by place. They may come in any order; two
// that contradict each other are evidence that the creator's key signed two streams.
import { type Entry, order, type Position } from "./documents.ts";
import type { SignedEntry } from "./trust.ts";

/** The creator's key signed two histories. */
export class Fork extends Error {
  override name = "Fork";
}

// Of a window of 30 s in 160 ms pieces there are 188 entries. Twice that are kept, and all
// of 90 s: a rewound element is inside the window, and a long GOP may make it longer.
const minEntries = 400;
const maxEntries = 2_000;
const keptMs = 90_000; // behind the newest, by when they were issued

export class Book {
  private readonly places = new Map<string, SignedEntry>();
  private last: SignedEntry | undefined;

  /** Takes a verified entry in; false where it was here. Throws Fork when it contradicts one already here. */
  add(signed: SignedEntry): boolean {
    const { entry, digest } = signed;
    const here = this.places.get(place(entry));
    if (here) {
      if (here.digest !== digest) throw new Fork(`two entries are signed for place ${entry.epoch}/${entry.n}`);
      return false;
    }
    const before = this.at({ epoch: entry.epoch, n: entry.n - 1 });
    const after = this.at({ epoch: entry.epoch, n: entry.n + 1 });
    if (before && before.digest !== entry.prev) throw new Fork(`entry ${entry.epoch}/${entry.n} does not follow the one before it`);
    if (after && after.entry.prev !== digest) throw new Fork(`entry ${entry.epoch}/${entry.n + 1} does not follow the one before it`);
    this.places.set(place(entry), signed);
    if (!this.last || order(this.last.entry, entry) < 0) this.last = signed;
    this.prune(this.last.entry.issued - keptMs);
    return true;
  }

  /** Lets go of entries in the order in which they came, which is nearly that of their places. */
  private prune(before: number): void {
    for (const [key, { entry }] of this.places) {
      const { size } = this.places;
      if (size <= minEntries || (size <= maxEntries && entry.issued >= before)) return;
      this.places.delete(key);
    }
  }

  at(p: Position): SignedEntry | undefined {
    return this.places.get(place(p));
  }

  /** The newest entry seen: what freshness is judged on. */
  get newest(): SignedEntry | undefined {
    return this.last;
  }

  /** All entries of a segment in order, or undefined while one may be missing. */
  segment(msn: number): Entry[] | undefined {
    const found = this.ofSegment(msn);
    const first = found[0];
    const end = found.at(-1);
    if (!first || !end || first.part !== 0) return undefined;
    if (found.some((e, i) => e.epoch !== first.epoch || e.n !== first.n + i)) return undefined;
    const next = this.at({ epoch: end.epoch, n: end.n + 1 })?.entry;
    const ended = next ? next.msn > msn : this.sorted().some((e) => e.epoch > end.epoch);
    return ended ? found : undefined;
  }

  /** The root of the init segment that a segment's pieces need, when its start is known. */
  initOf(msn: number): string | undefined {
    return this.ofSegment(msn)[0]?.init;
  }

  /** Reports whether a verified entry named this init segment. */
  knowsInit(root: string): boolean {
    for (const { entry } of this.places.values()) if (entry.init === root) return true;
    return false;
  }

  /** Where to ask for what segment msn lacks: the entries right before the earliest later one. */
  missingBefore(msn: number): Position | undefined {
    const known = this.sorted();
    let i = known.findIndex((e) => e.msn > msn);
    if (i < 0) i = known.length;
    // Walk back over those of the segment that are known without a hole.
    while (i > 0 && known[i - 1]!.msn === msn && known[i - 1]!.epoch === known[i]?.epoch && known[i - 1]!.n === known[i]!.n - 1) i--;
    const at = known[i];
    return at && { epoch: at.epoch, n: at.n };
  }

  private ofSegment(msn: number): Entry[] {
    return this.sorted().filter((e) => e.msn === msn);
  }

  private sorted(): Entry[] {
    return [...this.places.values()].map((s) => s.entry).sort(order);
  }
}

function place(p: Position): string {
  return `${p.epoch}/${p.n}`;
}
