// What a rendition's playlists list: its entries in order, without holes, within the live window. Entries may come in
// any order and from anywhere; nothing here says that they are genuine, since all media that they lead to is checked.
import { type Entry, order, type Position, timescale } from "./documents.ts";
import { answers, mediaPlaylist } from "./mediaplaylist.ts";
import { HttpError } from "./origin.ts";

/** What of the stream stays playable live, in ticks: older segments are no longer listed. */
const liveWindow = 30 * timescale;
const maxListed = 1024;
const maxBeyond = 256; // entries that wait for those before them

/** A request that cannot be answered. */
export class TooFarAhead extends Error {
  override name = "TooFarAhead";
}

export class Listing {
  private entries: Entry[] = [];
  private beyond: Entry[] = []; // in order, after a hole
  private closed = false;
  private behind = false;
  private readonly waiting = new Set<() => void>();

  /** The newest entry that is listed. */
  get newest(): Entry | undefined {
    return this.entries.at(-1);
  }

  /** Nothing follows for now. */
  get ended(): boolean {
    return this.closed;
  }

  set ended(yes: boolean) {
    if (this.closed === yes) return;
    this.closed = yes;
    this.tell();
  }

  /** It is no longer made, or too slowly: whoever asks for it, or waits, is to take another rendition, until it goes on. */
  fallBehind(): void {
    if (this.behind) return;
    this.behind = true;
    this.tell();
  }

  /** Throws what an origin answers for a rendition that fell behind. */
  check(): void {
    if (this.behind) throw new HttpError(404, "this rendition has fallen behind: take another");
  }

  /** Takes in an entry; true where it made the list longer. */
  add(e: Entry): boolean {
    const last = this.newest;
    if (last ? order(e, last) <= 0 : e.part !== 0) return false;
    if (last && !follows(last, e)) {
      this.keep(e);
      return false;
    }
    this.entries.push(e);
    while (this.beyond[0] && follows(this.newest!, this.beyond[0])) this.entries.push(this.beyond.shift()!);
    this.entries.splice(0, windowStart(this.entries));
    this.closed = this.behind = false;
    this.tell();
    return true;
  }

  /** The newest entry whose first frame had come to ingest by a moment, in ms. */
  at(moment: number): Entry | undefined {
    return this.entries.findLast((e) => e.at <= moment);
  }

  /** Reports whether a whole segment is listed. */
  hasWhole(): boolean {
    return this.entries.length > 0 && (this.closed || this.newest!.msn > this.entries[0]!.msn);
  }

  /** Of the media that is listed, in bit/s; 0 where there is none. */
  bitrate(): number {
    const ticks = this.entries.reduce((sum, e) => sum + e.dur, 0);
    return ticks > 0 ? (8 * timescale * this.entries.reduce((sum, e) => sum + e.size, 0)) / ticks : 0;
  }

  /** Which entries are missing before some that are here. */
  hole(): { epoch: number; from: number; to: number } | null {
    const [last, next] = [this.newest, this.beyond[0]];
    if (!last || !next) return null;
    if (next.epoch === last.epoch) return { epoch: last.epoch, from: last.n + 1, to: next.n - 1 };
    return { epoch: next.epoch, from: 0, to: next.n - 1 };
  }

  /** Gives up on what is missing: the list goes on behind the hole, where a segment begins. */
  jump(): void {
    const at = this.beyond.findIndex((e) => e.part === 0);
    if (at < 0) return;
    const rest = this.beyond.slice(at);
    this.beyond = [];
    this.entries = [];
    for (const e of rest) this.add(e);
  }

  /** The playlist as it is now. */
  text(skip: boolean): string {
    return mediaPlaylist(this.entries, { ended: this.closed, skip });
  }

  /** The playlist once it has what a blocking request names; part is negative where it names a whole segment. */
  async wait(msn: number, part: number, skip: boolean, signal: AbortSignal): Promise<string> {
    const before = this.closed; // an end is told once
    for (;;) {
      this.check();
      const answer = answers(this.entries, this.closed, msn, part);
      if (answer === "refuse") throw new TooFarAhead("this media sequence number is too far ahead of the newest");
      if (answer === "ready" || this.closed !== before) return this.text(skip);
      await this.change(signal);
    }
  }

  private keep(e: Entry): void {
    const at = this.beyond.findIndex((b) => order(e, b) <= 0);
    if (at >= 0 && order(this.beyond[at]!, e) === 0) return;
    this.beyond.splice(at < 0 ? this.beyond.length : at, 0, e);
    if (this.beyond.length > maxBeyond) this.beyond.shift();
  }

  private tell(): void {
    for (const wake of [...this.waiting]) wake();
  }

  private change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.waiting.delete(done);
        signal.removeEventListener("abort", gone);
      };
      const done = () => {
        end();
        resolve();
      };
      const gone = () => {
        end();
        reject(signal.reason as Error);
      };
      if (signal.aborted) return gone();
      this.waiting.add(done);
      signal.addEventListener("abort", gone);
    });
  }
}

/** Reports whether nothing is missing between two entries, as far as can be told: how long an epoch was, only its successor says. */
export function follows(a: Position, b: Position): boolean {
  return b.epoch === a.epoch ? b.n === a.n + 1 : b.epoch > a.epoch && b.n === 0;
}

/** The first of the entries that stays listed: with 30 s of media from there, or the group of pictures before the present one, if that is longer. */
function windowStart(entries: readonly Entry[]): number {
  let media = 0;
  let keys = 0;
  let earliest = entries.length;
  let enough = entries.length;
  for (let i = entries.length - 1; i >= 0; i--) {
    const e = entries[i]!;
    media += e.dur;
    if (earliest < entries.length && entries.length - i > maxListed) break;
    if (e.part !== 0) continue;
    earliest = i;
    if (e.key) keys++;
    if (enough === entries.length && media >= liveWindow) enough = i;
    if (enough < entries.length && keys >= 2) return i;
  }
  if (keys === 0 && enough < entries.length) return enough;
  return earliest === entries.length ? 0 : earliest;
}
