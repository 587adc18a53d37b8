// Whether heads come by gossip as regularly as the stream is made, so that the page may leave its next piece to
// the swarm. Pure: moments and entries come in, a verdict goes out.
import { order, type Position, timescale } from "../documents.ts";

/** Heads that are looked at. */
const looked = 10;
/** By which a head may be later than it is due, or than the page's own copy of it. */
const late = 250; // ms
/** Good order before it counts as warm; doubles with each fall, up to mostTrial, and is as before after `steady` without one. */
const trial = 800; // ms
const mostTrial = 24_000; // ms
const steady = 30_000; // ms
/** Pieces that came whole from others, in a row, that make up for lanes without parents. */
const enough = 5;

/** What is looked at of an entry. */
export interface Timed extends Position {
  issued: number; // Unix ms
  dur: number; // ticks
}

interface Seen extends Timed {
  at: number;
  own: boolean; // the page had it before the swarm did
}

/**
 * Judges one rendition's gossip. It is good as long as every head is known in time and blocks come by lanes with
 * parents, or come anyway. Heads that the page has from elsewhere before gossip had its chance speak for nobody:
 * neighbours do not send what they were told is here. So after a while of good order the swarm is tried; where it
 * then leaves a head out it is cold at once, and the next trial takes longer to come.
 */
export class Warmth {
  warm = false;
  private seen: Seen[] = []; // by position, the newest last
  private goodSince: number | null = null;
  private wait = trial;
  private warmSince = 0;
  private before: number | null = null; // what wait was before a fall that may not have been the swarm's fault
  private run = 0; // pieces in a row that others brought

  /** A head came by gossip, or, `own`, with a piece that the page has from elsewhere. */
  head(at: number, e: Timed, own: boolean): void {
    const newest = this.seen.at(-1);
    const known = this.seen.find((s) => order(s, e) === 0);
    if (known) {
      if (!known.own || own) return;
      known.own = false;
      if (at - known.at > late) this.fall();
      else this.forgive();
      return;
    }
    if (newest && order(e, newest) < 0) return; // a hole that was filled, or history
    if (newest && e.epoch !== newest.epoch) this.seen = [];
    else if (newest && e.n !== newest.n + 1) this.goodSince = null; // what lies between did not come
    if (!own && this.seen.length > 0 && at - e.issued - this.usual <= late) this.forgive();
    this.seen.push({ epoch: e.epoch, n: e.n, issued: e.issued, dur: e.dur, at, own });
    if (this.seen.length > looked) this.seen.shift();
  }

  /** A piece became whole; `swarm`: without the origin. */
  piece(swarm: boolean): void {
    this.run = swarm ? this.run + 1 : 0;
  }

  /** When the next head is due; null before anything came. */
  get expected(): number | null {
    const newest = this.seen.at(-1);
    if (!newest) return null;
    return newest.issued + (newest.dur * 1000) / timescale + this.usual;
  }

  /** When the verdict changes if nothing happens; null: it does not. */
  get turnsAt(): number | null {
    if (this.warm && this.expected !== null) return this.expected + late + 1;
    return this.goodSince === null ? null : this.goodSince + this.wait;
  }

  /** Judges at a moment; `parents`: all lanes have one. */
  look(at: number, parents: boolean): boolean {
    const due = this.expected;
    if (due === null || at > due + late) this.fall();
    else if (!this.orderly() || !(parents || this.run >= enough)) this.cool();
    else this.goodSince ??= at;
    if (!this.warm && this.goodSince !== null && at - this.goodSince >= this.wait) {
      this.warm = true;
      this.warmSince = at;
    }
    if (this.warm && at - this.warmSince >= steady) this.wait = trial;
    return this.warm;
  }

  /** How long after their being signed heads come, by two clocks that differ by who knows what. */
  private get usual(): number {
    const sorted = this.seen.map((s) => s.at - s.issued).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? 0;
  }

  /** Reports whether the last heads came without a hole, and none much later than usual. */
  private orderly(): boolean {
    const { usual } = this;
    return this.seen.every((s, i) => s.at - s.issued - usual <= late && (i === 0 || s.n === this.seen[i - 1]!.n + 1));
  }

  private cool(): void {
    this.warm = false;
    this.goodSince = null;
  }

  /** The swarm was relied on, or could have been, and left something out. */
  private fall(): void {
    if (this.warm) {
      this.before = this.wait;
      this.wait = Math.min(2 * this.wait, mostTrial);
    }
    this.cool();
  }

  /** The head came as soon after its being signed as ever: it was made late, and no fault of the swarm's. */
  private forgive(): void {
    this.wait = this.before ?? this.wait;
    this.before = null;
  }
}
