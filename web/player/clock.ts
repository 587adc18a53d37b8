// The server's time: asked once, then carried on by a clock that only goes forward.
// The viewer's own clock is never read: it may be hours wrong, or be set while we play.

export interface Clock {
  /** Unix ms by the server's clock. */
  now(): number;
}

/** The machine's monotonic clock in ms, from any zero. */
export type Monotonic = () => number;

const monotonic: Monotonic = () => performance.now();

/** Continues the server's answer `serverNow`, which was on its way between sent and received. */
export function clockFrom(serverNow: number, sent: number, received: number, tick: Monotonic = monotonic): Clock {
  const offset = serverNow - (sent + received) / 2;
  return { now: () => tick() + offset };
}

/** Asks the origin what time it is. */
export async function askClock(ask: () => Promise<number>, tick: Monotonic = monotonic): Promise<Clock> {
  const sent = tick();
  const now = await ask();
  return clockFrom(now, sent, tick(), tick);
}
