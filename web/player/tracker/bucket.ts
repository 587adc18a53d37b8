/** A bound on how often something is done: `burst` at once, and `perSecond` in the long run. */
export class Bucket {
  private level: number;
  private at = performance.now();

  constructor(
    private readonly burst: number,
    private readonly perSecond: number,
  ) {
    this.level = burst;
  }

  take(): boolean {
    const now = performance.now();
    this.level = Math.min(this.burst, this.level + ((now - this.at) * this.perSecond) / 1_000);
    this.at = now;
    if (this.level < 1) return false;
    this.level--;
    return true;
  }
}
