// How close to live to play: as close as the arrival of pieces allows. All times are
// seconds; media time and monotonic time have zeros of their own, so only differences
// between them mean anything.

/** Room for decoding and for the odd late piece, beyond what arrival needs: a stall is worse than this. */
const margin = 0.18;
/**
 * The same where pieces come by way of other viewers: their devices are held up at times, each at its own, which shows
 * in no measure of what came before, and a player that ran dry takes longer to go on than it was held up.
 */
const sharedMargin = 0.33;
const pieces = 80; // measured over: 16 s of 200 ms pieces
const quantile = 0.96; // a rare hiccup must not hold the picture back
const enough = 4; // pieces before a measure is believed
/** What arrives in the first seconds tells how busy the page was starting, and is forgotten once there is more. */
const starting = 2;
const started = 4;
const maxLag = 3;
const perStall = 0.12;
const maxExtra = 1.2;
const calm = 10; // seconds after a stall before the extra room is given back
const easePerSecond = 0.02;

/**
 * Target measures how long after its own media time a piece can be played, and says
 * how far the playhead should be behind: monotonic now minus media time.
 */
export class Target {
  /** Pieces come by way of other viewers. */
  shared = false;
  private needs: { at: number; need: number }[] = [];
  private began: number | null = null;
  private extra = 0;
  private last: { now: number; start: number } | null = null;
  private lastStall = Number.NEGATIVE_INFINITY;
  private lastEase = 0;

  /** A live piece that begins at media time `start` could be played from `now` on. */
  arrived(now: number, start: number): void {
    // What comes close behind another waited for it: both tell of the same delay, which
    // must not count as many times as pieces were held up.
    const burst = this.last !== null && now - this.last.now < (start - this.last.start) / 3;
    this.last = { now, start };
    if (burst && this.needs.length >= enough) return;
    this.began ??= now;
    this.needs.push({ at: now, need: now - start });
    const forget = now > this.began + started ? this.began + starting : 0;
    while (this.needs.length > pieces || (this.needs[0]!.at < forget && this.needs.length > enough)) this.needs.shift();
  }

  /** The playhead ran dry. */
  stalled(now: number): void {
    this.extra = Math.min(maxExtra, this.extra + perStall);
    this.lastStall = now;
    this.lastEase = now + calm;
  }

  /** Media time has another zero from here on: a new epoch began, or the player started over. */
  reset(): void {
    this.needs = [];
    this.began = null;
    this.last = null;
  }

  /** How far behind to play at `now`, or null while too little was measured. */
  lag(now: number): number | null {
    if (this.needs.length < enough) return null;
    if (now > this.lastEase && now > this.lastStall + calm) {
      this.extra = Math.max(0, this.extra - (now - this.lastEase) * easePerSecond);
      this.lastEase = now;
    }
    const sorted = this.sorted();
    const need = sorted[Math.floor((sorted.length - 1) * quantile)]!;
    return Math.min(need, sorted[0]! + maxLag) + (this.shared ? sharedMargin : margin) + this.extra;
  }

  private sorted(): number[] {
    return this.needs.map((n) => n.need).sort((a, b) => a - b);
  }

  /** How uneven the arrival is: the measured need beyond the least. */
  jitter(): number {
    if (this.needs.length < enough) return 0;
    const sorted = this.sorted();
    return sorted[Math.floor((sorted.length - 1) * quantile)]! - sorted[0]!;
  }
}

/** What to do about being `off` seconds too late (or too early, when negative). */
export interface Steering {
  rate: number;
  /** Skip ahead by this many seconds; 0 to go on playing. */
  skip: number;
}

/** Steers towards the target; `rate` is the present speed, `ahead` what is buffered beyond the playhead. */
export function steer(off: number, rate: number, ahead: number): Steering {
  if (off > 1 && ahead > off) return { rate: 1, skip: off };
  if (off > 0) {
    // Once under way, go on to the target, so that the speed does not change all the time.
    const late = off > (rate > 1 ? 0.015 : 0.05);
    return { rate: late && ahead > 0.05 ? 1 + step(Math.min(0.2, 0.05 + off * 0.3)) : 1, skip: 0 };
  }
  const early = -off > (rate < 1 ? 0.01 : 0.04);
  return { rate: early ? 1 - step(Math.min(0.1, 0.03 - off * 0.3)) : 1, skip: 0 };
}

function step(x: number): number {
  return Math.round(x * 20) / 20 || 0.05;
}

/**
 * Where to begin instead of at `at`, `behind` seconds before the end of the last stretch that is buffered, which is from
 * `from` to `end`: what was joined in the last moments of an epoch may be too short to begin with, and the next epoch's
 * media lie after a gap. null where there is no gap after `at`, or too little behind it yet.
 */
export function pastGap(from: number, end: number, at: number, behind: number): number | null {
  const to = end - behind;
  return at < from && to >= from ? to : null;
}
