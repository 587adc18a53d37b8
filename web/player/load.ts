// Whether a device has time for the swarm: by how late its timers are. Pure; moments are ms of a monotonic clock.

/** Lateness of timers, smoothed, up to which there is time to begin, and beyond which there is none to go on, in ms. */
const calmMs = 40;
const busyMs = 200;
const smoothing = 0.1;
/** How long all must have been calm before another try; doubles with each time that it was too much. */
const firstPauseMs = 5_000;
const mostPauseMs = 120_000;
/** So long without trouble the next pause is as short as the first. */
const steadyMs = 60_000;

export class Load {
  private late = 0;
  private last: number | null = null;
  private pauseMs = firstPauseMs;
  private pausedAt = Number.NEGATIVE_INFINITY;
  private resting = false;

  /** A timer was due every `everyMs`, and came now. */
  tick(now: number, everyMs: number): void {
    if (this.last !== null) {
      const late = Math.min(Math.max(0, now - this.last - everyMs), 1_000); // a machine that slept was not busy
      this.late += smoothing * (late - this.late);
    }
    this.last = now;
    if (this.resting && this.late > calmMs) this.pausedAt = now; // the pause counts from when it is calm
  }

  /** Timers are not kept for now: what comes next tells nothing of what was before. */
  skip(): void {
    this.last = null;
  }

  /** Decides whether to take part, as long as it is called now and then; `taking`: it does so now. */
  allows(now: number, taking: boolean): boolean {
    if (taking) {
      if (this.late <= busyMs) return true;
      this.pauseMs = now - this.pausedAt > steadyMs ? firstPauseMs : Math.min(2 * this.pauseMs, mostPauseMs);
      this.pausedAt = now;
      this.resting = true;
      return false;
    }
    if (this.late > calmMs || (this.resting && now - this.pausedAt < this.pauseMs)) return false;
    this.resting = false;
    return true;
  }
}
