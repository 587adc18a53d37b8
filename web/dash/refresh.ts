// When to ask again: every few seconds while the page is seen and nobody paused it.

/** Seconds between two looks at what is reported just now. */
export const live = 1;
const fastest = 5;
const slowest = 60;

/** Seconds between two times to ask, for a chart whose points are so many seconds apart: newer ones would not be seen. */
export function every(step: number): number {
  return Math.min(slowest, Math.max(fastest, step / 2));
}

export class Refresh {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private due = 0;
  paused = false;

  /** Calls `again` when it is time. */
  constructor(
    private readonly again: () => void,
    private readonly page: Pick<Document, "hidden" | "addEventListener"> = document,
    private readonly now: () => number = () => performance.now(),
  ) {
    page.addEventListener("visibilitychange", () => this.arm());
  }

  /** Says when the next time is, in seconds from now. */
  next(seconds: number): void {
    this.due = this.now() + seconds * 1_000;
    this.arm();
  }

  pause(paused: boolean): void {
    this.paused = paused;
    this.arm();
  }

  private arm(): void {
    clearTimeout(this.timer);
    if (this.paused || this.page.hidden || this.due === 0) return;
    this.timer = setTimeout(() => {
      this.due = 0;
      this.again();
    }, Math.max(0, this.due - this.now()));
  }
}
