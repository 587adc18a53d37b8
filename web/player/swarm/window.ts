import type { Bytes } from "../bytes.ts";
import { type Entry, order, type Position, timescale } from "../documents.ts";
import type { HeadAsk } from "./heads.ts";
import { type Lane, newLane } from "./lanes.ts";
import { allLanes, headLane, type LaneMask, lanes } from "./masks.ts";
import { blocksOf, type Key, keyOf, noDepth, type OpenHead } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Ask } from "./repair.ts";
import { type Told, toldNothing } from "./states.ts";
import { hour, never, second, seconds, type Time } from "./time.ts";
import type { Tuning } from "./tuning.ts";

/** How much of a rendition is kept. */
export interface Bounds {
  /** Ticks, of what was played. */
  media: number;
  bytes: number;
  entries: number;
}

/** The bounds of the live window (docs/spec/manifest.md 8.2). Who has less memory than a seed may keep less. */
export const liveWindow: Bounds = { media: 30 * timescale, bytes: 256 << 20, entries: 1024 };

/** More media time than any two entries of a live window lie apart. */
const farthest = 3600 * timescale;

/** Of a usual head, of three blocks. */
const headBytes = 256;
/** bit/s, while nothing is known of a stream. */
export const guessedRate = 2e6;

/** One piece of the window as far as it is here. */
export class Piece {
  readonly at: Position;
  readonly blocks: (Bytes | null)[];
  left: number; // blocks that are missing
  readonly from = [0, 0, 0, 0]; // bytes by source
  dup = 0;
  rejected = 0;
  asks: Ask[] | null = null; // per block
  due: Time; // when it is to be looked at
  fetching = false; // the origin is asked
  failed = false; // and had no answer
  originAt: Time = 0; // it is not asked before
  peersAt: Time = 0; // nor are they
  lacking = false; // a block is overdue that nobody announced

  constructor(
    readonly head: OpenHead,
    readonly headAt: Time,
  ) {
    const { epoch, n, size } = head.entry;
    this.at = { epoch, n };
    this.left = blocksOf(size);
    this.blocks = Array<Bytes | null>(this.left).fill(null);
    this.due = headAt;
  }

  get key(): Key {
    return keyOf(this.head.entry);
  }

  get whole(): boolean {
    return this.left === 0;
  }
}

/** One rendition's live window and the lanes it comes by. */
export class Track {
  wanted = false; // by this node
  left: Time = 0; // when it was wanted last; 0: it is, or never was

  readonly pieces: Piece[] = []; // by position
  open: Piece[] = []; // of these, known by head, wanted and not whole
  due: Time = never; // when one of those is to be looked at, or before
  floor: Position = { epoch: 0, n: 0 };
  newest: Position = { epoch: 0, n: 0 };

  readonly lanes: Lane[] = Array.from({ length: allLanes }, newLane);
  readonly kids: number[] = Array<number>(allLanes).fill(0); // children of each lane; those that leave have their places only until somebody wants them, and are not counted
  readonly children: Neighbour[] = []; // that are pushed lanes, in no order
  reckoned: Time = 0; // when spare, least and opens were
  readonly depth: number[]; // this node's own
  readonly branch: number[] = Array<number>(allLanes).fill(0); // that its lanes are in
  tag = 0; // of the branches that begin here
  spare = 0;
  least = 0;
  opens: LaneMask = 0; // lanes of which it takes more children
  toldKids: Told = toldNothing();
  toldOthers: Told = toldNothing();

  rate = 0; // bytes of media a second, smoothed
  largest = 0; // bytes of the largest recent piece, fading
  dur = 0.2; // seconds a piece lasts, smoothed

  from: Position = { epoch: 0, n: 0 }; // nothing before is asked for
  follows = false; // from was set
  began: Time = 0; // when the first head came
  headsAt: Time = never; // when missing heads are looked for
  asked: HeadAsk[] = [];
  headMisses = 0; // runs of heads that were asked for in vain, in a row

  /** What is played when, once it is known. */
  play: { epoch: number; pts: number; at: Time } | null = null;

  /** `source`: its pieces come from the caller, not from lanes. */
  constructor(
    readonly r: string,
    readonly index: number,
    readonly source: boolean,
    private readonly keeps: Bounds = liveWindow,
  ) {
    this.depth = Array<number>(allLanes).fill(source ? 0 : noDepth);
  }

  /** The index of the first piece at or after p. */
  search(p: Position): number {
    // Most often nothing is missing from it to the newest.
    const last = this.pieces.length - 1;
    if (last >= 0 && p.epoch === this.newest.epoch) {
      if (this.newest.n < p.n) return last + 1;
      const i = last - Math.min(this.newest.n - p.n, last);
      if (order(this.pieces[i]!.at, p) === 0) return i;
    }
    let [low, high] = [0, this.pieces.length];
    while (low < high) {
      const mid = (low + high) >> 1;
      if (order(this.pieces[mid]!.at, p) < 0) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  find(p: Position): Piece | null {
    const at = this.pieces[this.search(p)];
    return at && order(at.at, p) === 0 ? at : null;
  }

  /** Takes in a head that is new and not before the window. */
  insert(now: Time, h: OpenHead): Piece | null {
    if (this.find(h.entry) || before(h.entry, this.floor)) return null;
    const p = new Piece(h, now);
    this.pieces.splice(this.search(h.entry), 0, p);
    if (before(this.newest, p.at)) {
      this.newest = p.at;
      this.measure(h.entry);
    }
    if (h.entry.part === 0) this.trim();
    return p;
  }

  /** What pushing lane l to one child costs, in bit/s. */
  laneRate(l: number): number {
    if (l === headLane) return (headBytes * 8) / Math.max(this.dur, 0.01);
    return (this.rate === 0 ? guessedRate : this.rate * 8) / lanes;
  }

  /** The time left until a piece must be whole; undefined where nothing is known of that. */
  slack(now: Time, e: Entry): Time | undefined {
    if (!this.play || e.epoch < this.play.epoch) return undefined;
    if (e.epoch > this.play.epoch) return hour; // after all of this epoch, however much that is
    const ahead = Math.min(Math.max(e.pts - this.play.pts, -farthest), farthest);
    return this.play.at + durationOf(ahead) - now;
  }

  /** Takes p off the list of open pieces. */
  close(p: Piece): void {
    const i = this.open.indexOf(p);
    if (i >= 0) this.open.splice(i, 1);
  }

  /** Puts p on the list of pieces to get. */
  openUp(p: Piece): void {
    if (p.whole || this.open.includes(p)) return;
    this.open.push(p);
    this.due = Math.min(this.due, p.due);
  }

  /** Keeps the stream's rate by its newest pieces. */
  private measure(e: Entry): void {
    const sec = seconds(durationOf(e.dur));
    if (sec <= 0 || e.gap) return;
    const share = 1 / 16;
    if (this.rate === 0) {
      this.rate = e.size / sec;
      this.dur = sec;
    } else {
      this.rate += (e.size / sec - this.rate) * share;
      this.dur += (sec - this.dur) * share;
    }
    this.largest = Math.max(e.size, this.largest - Math.floor(this.largest / 64));
  }

  /**
   * Lets go of what is no longer playable live. Heads come in any order, so while there is room for all, those before
   * the first start of a segment are what came first of one whose beginning is under way.
   */
  private trim(): void {
    if (this.roomy()) return;
    const start = windowStart(this.pieces.map((p) => p.head.entry), this.keeps);
    if (start === 0) return;
    this.floor = this.pieces[start]!.at;
    for (const p of this.pieces.splice(0, start)) abandon(p);
    this.open = this.open.filter((p) => !before(p.at, this.floor));
  }

  /** Bytes of blocks that are here. */
  get bytes(): number {
    return this.pieces.reduce((all, p) => p.from.reduce((a, b) => a + b, all), 0);
  }

  /** Reports whether all that is here fits into the live window. */
  private roomy(): boolean {
    let [media, bytes] = [0, 0];
    for (const p of this.pieces) {
      media += p.head.entry.dur;
      bytes += p.head.entry.size;
    }
    return media <= this.keeps.media && bytes <= this.keeps.bytes && this.pieces.length <= this.keeps.entries;
  }
}

/** The lane that carries block i of piece number n (7.1.1). */
export function laneOf(t: Tuning, n: number, i: number): number {
  return ((n % lanes) + (t.ByPiece ? 0 : i)) % lanes;
}

/** Reports whether a comes before b. */
export function before(a: Position, b: Position): boolean {
  return order(a, b) < 0;
}

/** Forgets who was asked for what of a piece, where none of it is wanted any more. */
export function abandon(p: Piece): void {
  for (const a of p.asks ?? []) {
    if (a.by) a.by.wants--;
    a.by = null;
  }
}

/**
 * The index of the first entry of a live window that stays: the last segment's start that has enough media after
 * it, or the start of the group of pictures before the current one if that is earlier, within the bounds.
 */
function windowStart(entries: Entry[], keeps: Bounds): number {
  const n = entries.length;
  let [media, bytes, keys] = [0, 0, 0];
  let [earliest, enough] = [n, n]; // starts of segments: inside the bounds; with enough media after it
  for (let i = n - 1; i >= 0; i--) {
    const e = entries[i]!;
    media += e.dur;
    bytes += e.size;
    if (earliest < n && (bytes > keeps.bytes || n - i > keeps.entries)) break;
    if (e.part !== 0) continue;
    earliest = i;
    if (e.key) keys++;
    if (enough === n && media >= keeps.media) enough = i;
    if (enough < n && keys >= 2) return i;
  }
  return keys === 0 && enough < n ? enough : earliest; // where nothing can be decoded, it is not piled up
}

/** Media time in nanoseconds. */
function durationOf(ticks: number): Time {
  const rest = ticks % timescale;
  return ((ticks - rest) / timescale) * second + Math.trunc((rest * second) / timescale);
}
