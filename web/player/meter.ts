// Counts verified bytes by who delivered them: in all, and in each of the last seconds.

/** Who delivered bytes: another viewer, a seed or an edge of the operator's over the swarm, or the origin over HTTP. */
export type Deliverer = "peer" | "seed" | "edge" | "origin";
export type Counts = Record<Deliverer, number>;
/** Bytes of one second; `up` is what was given. */
export type Second = Counts & { up: number };

const kept = 60;

export class Meter {
  readonly total: Counts = { peer: 0, seed: 0, edge: 0, origin: 0 };
  uploaded = 0;
  private seconds: Second[] = [];
  private newest = 0; // the second that the last of them is, of the caller's clock

  /** `now` is ms of a monotonic clock, here and below. */
  add(by: Deliverer, bytes: number, now: number): void {
    this.total[by] += bytes;
    this.at(now)[by] += bytes;
  }

  /** Counts bytes that were given to others. */
  give(bytes: number, now: number): void {
    this.uploaded += bytes;
    this.at(now).up += bytes;
  }

  /** The last whole seconds, at most 60, oldest first; fewer when the first byte came later. */
  minute(now: number): Second[] {
    this.at(now);
    return this.seconds.slice(0, -1).map((s) => ({ ...s }));
  }

  private at(now: number): Second {
    const second = Math.floor(now / 1000);
    const missing = this.seconds.length === 0 ? 1 : Math.min(kept + 1, second - this.newest);
    for (let i = 0; i < missing; i++) this.seconds.push({ peer: 0, seed: 0, edge: 0, origin: 0, up: 0 });
    if (missing > 0) this.newest = second;
    if (this.seconds.length > kept + 1) this.seconds.splice(0, this.seconds.length - kept - 1);
    return this.seconds.at(-1)!;
  }
}
