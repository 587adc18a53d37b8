// Time as the core counts it: in nanoseconds, as the Go core does, so that every division and comparison gives
// what it gives there. Numbers hold nanoseconds exactly for 104 days.

/** A moment: nanoseconds since some moment that is the same in all calls to a Node. Also a span of nanoseconds. */
export type Time = number;

export const millisecond = 1e6;
export const second = 1e9;
export const hour = 3600 * second;

/** Later than everything. */
export const never: Time = Number.POSITIVE_INFINITY;

/** A span in seconds. */
export function seconds(t: Time): number {
  return (t - (t % second)) / second + (t % second) / 1e9;
}

/** Divides integers, towards zero. */
export function div(a: number, b: number): number {
  return Math.trunc(a / b);
}
