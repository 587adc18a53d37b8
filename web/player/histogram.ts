/** The longest time told apart from longer ones: an hour, in ms. */
const most = 3_600_000;

/** Counts milliseconds in bins whose width grows with the value, to 1/64 of it, so that a session of any length takes the same memory. */
export class Histogram {
  private readonly bins = new Map<number, number>();
  private count = 0;

  add(ms: number): void {
    const bin = binOf(ms);
    this.bins.set(bin, (this.bins.get(bin) ?? 0) + 1);
    this.count++;
  }

  /** The smallest value that p of the samples (0 < p ≤ 1) do not exceed, 0 when there are none. */
  percentile(p: number): number {
    const wanted = Math.ceil(p * this.count);
    let seen = 0;
    for (const bin of [...this.bins.keys()].sort((a, b) => a - b)) {
      seen += this.bins.get(bin)!;
      if (seen >= wanted) return bin;
    }
    return 0;
  }
}

/** The largest value that shares a value's bin. */
function binOf(value: number): number {
  const ms = Math.trunc(Math.min(Math.max(value, 0), most));
  let width = 1;
  while (ms >= 128 * width) width *= 2;
  return Math.trunc(ms / width) * width + width - 1;
}
