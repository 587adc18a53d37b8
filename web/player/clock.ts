// The server's time: asked once, then carried on by a clock that only goes forward.
// The viewer's own clock is never read: it may be hours wrong, or be set while we play.

export interface Clock {
  /** Unix ms by the server's clock. */
  now(): number;
  /** How long the question took, ms: the answer may be wrong by half of it. */
  readonly tripMs: number;
}

/** The machine's monotonic clock in ms, from any zero. */
export type Monotonic = () => number;

const monotonic: Monotonic = () => performance.now();

/** Continues the server's answer `serverNow`, which was on its way between sent and received. */
export function clockFrom(serverNow: number, sent: number, received: number, tick: Monotonic = monotonic): Clock {
  const offset = serverNow - (sent + received) / 2;
  return { now: () => tick() + offset, tripMs: received - sent };
}

/** Asks the origin what time it is. */
export async function askClock(ask: () => Promise<number>, tick: Monotonic = monotonic): Promise<Clock> {
  const sent = tick();
  const now = await ask();
  return clockFrom(now, sent, tick(), tick);
}

/** Asks again, some times, and returns the clock whose question took the shortest: at first a page has much to do, which counts as the way. */
export async function refine(clock: Clock, ask: () => Promise<number>, times = 3, tick: Monotonic = monotonic): Promise<Clock> {
  let best = clock;
  for (let i = 0; i < times; i++) {
    const next = await askClock(ask, tick);
    if (next.tripMs < best.tripMs) best = next;
  }
  return best;
}
