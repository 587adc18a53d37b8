// How long a picture moved, and how long it should have, from looks at the video element: however far apart they are, as
// in a hidden tab, no time is lost.

/** A video element at a moment. */
export interface Look {
  now: number; // ms of a monotonic clock
  /** Somebody wants to see it move: the stream is live, and it is neither paused nor seeking. */
  wanted: boolean;
  /** There was no picture of this publish yet: what is waited for is no stall. */
  starting: boolean;
  position: number; // seconds
  rate: number; // of playing
}

/** Sums in ms since the beginning. */
export interface Watching {
  played: number;
  wanted: number;
  dry: number; // of stalls, from their beginning
  stalls: number;
}

/** Held for less, it is no stall. */
const stallMs = 250;

export class Watched {
  readonly sums: Watching = { played: 0, wanted: 0, dry: 0, stalls: 0 };
  /** For how long the picture has been held by now, ms. */
  held = 0;
  private last: Look | null = null;
  private moved = false; // since it started

  /** The picture is held for so long that people see it. */
  get stalled(): boolean {
    return this.held >= stallMs;
  }

  look(l: Look): void {
    const { last, sums } = this;
    this.last = l;
    if (l.starting) this.moved = false;
    if (!last?.wanted || !l.wanted) {
      this.held = 0;
      return;
    }
    const passed = l.now - last.now;
    const played = Math.min(passed, (1000 * Math.max(0, l.position - last.position)) / (last.rate || 1));
    sums.wanted += passed;
    sums.played += played;
    if (played > 0) {
      this.moved = true;
      this.held = 0;
      return;
    }
    if (!this.moved) return; // it starts
    const before = this.stalled;
    this.held += passed;
    if (!this.stalled) return;
    if (!before) sums.stalls++;
    sums.dry += before ? passed : this.held;
  }
}
