// When a picture that played ran dry, as the video element tells it.

const stallMs = 250; // the playhead held shorter than this is no stall

export interface StallEvents {
  /** It ran dry just now, at performance.now(). */
  dry(now: number): void;
  /** It had held for so long (ms). */
  stalled(ms: number): void;
}

export class Stalls {
  playedOnce = false;
  private since = 0;

  constructor(video: HTMLVideoElement, signal: AbortSignal, on: StallEvents) {
    const listen = (name: string, then: () => void) => video.addEventListener(name, then, { signal });
    listen("playing", () => {
      this.playedOnce = true;
      const held = this.since && performance.now() - this.since;
      this.since = 0;
      if (held >= stallMs) on.stalled(held);
    });
    listen("waiting", () => {
      if (!this.playedOnce || video.paused || video.seeking || document.hidden) return;
      this.since = performance.now();
      on.dry(this.since);
    });
    // Not before, or it would begin with waiting.
    listen("canplay", () => {
      if (!this.playedOnce && video.autoplay && video.paused) void video.play().catch(() => undefined);
    });
    // A picture that was held goes on being held where it goes on elsewhere.
    listen("pause", () => (this.since = 0));
  }
}
