import { div, millisecond, type Time } from "./time.ts";

/** A xorshift32 generator (Marsaglia 2003): small, and the same in every language, so that traces of the scheduler can be compared. */
export class Random {
  private x: number;

  constructor(seed: number) {
    this.x = seed >>> 0 || 2463534242;
  }

  /** The next u32. */
  next(): number {
    let x = this.x;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.x = x >>> 0;
    return this.x;
  }

  /** A number from 0 to n-1; n is at most 2^21. */
  below(n: number): number {
    return Math.floor((this.next() * n) / 2 ** 32);
  }

  /** A time from 0 to t, in whole milliseconds. */
  spread(t: Time): Time {
    return this.below(div(t, millisecond) + 1) * millisecond;
  }
}
