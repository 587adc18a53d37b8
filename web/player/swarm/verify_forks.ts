import { type Entry, order } from "../documents.ts";
import type { Envelope } from "../dsse.ts";
import type { Fork } from "./chain.ts";
import { envelopeOf, type Head, type OpenHead } from "./messages.ts";

/** Evidence that a creator's chain forks: envelopes that verify, each by itself, and contradict each other (5.4). */
export interface FoundFork extends Fork {
  r: string;
  /** What came last, and then those that it contradicts as far as they are remembered. */
  envelopes: Envelope[];
}

const maxForks = 8; // that wait to be shown
const maxForksSeen = 64; // that are not shown again

export class Forks {
  private found: FoundFork[] = [];
  private readonly seen: string[] = [];

  take(): FoundFork[] {
    const found = this.found;
    this.found = [];
    return found;
  }

  add(h: Head, e: Entry, digest: string, fork: Fork, known: OpenHead[]): void {
    if (this.found.length >= maxForks || this.seen.includes(digest)) return;
    this.seen.push(digest);
    if (this.seen.length > maxForksSeen) this.seen.shift();
    const beside = (o: Entry) => o.r === e.r && (order(o, fork.at) === 0 || order(o, { ...fork.at, n: fork.at.n + 1 }) === 0);
    const others = known.filter((o) => beside(o.entry)).slice(0, 2);
    this.found.push({ ...fork, r: e.r, envelopes: [h, ...others].map(envelopeOf) });
  }
}
