import type { Position } from "../documents.ts";

/** How many pieces of one epoch are remembered of a neighbour: as many as a live window can have. */
export const haveSpan = 1024;

/** What a neighbour says it has of a rendition, in its two newest epochs. */
export class Haves {
  newer = new EpochHaves(0);
  older = new EpochHaves(0);

  /** Takes in the announcement of count pieces; count is at most maxRun. */
  add(p: Position, count: number): void {
    if (p.epoch > this.newer.epoch) {
      this.older = this.newer;
      this.newer = new EpochHaves(p.epoch);
    } else if (p.epoch > this.older.epoch && p.epoch !== this.newer.epoch) {
      this.older = new EpochHaves(p.epoch);
    }
    this.of(p.epoch)?.add(p.n, count);
  }

  has(p: Position): boolean {
    return this.of(p.epoch)?.has(p.n) ?? false;
  }

  /** The newest piece that was announced; of epoch 0 where none was. */
  last(): Position {
    if (this.newer.next === 0) return { epoch: 0, n: 0 };
    return { epoch: this.newer.epoch, n: this.newer.next - 1 };
  }

  private of(epoch: number): EpochHaves | undefined {
    return this.newer.epoch === epoch ? this.newer : this.older.epoch === epoch ? this.older : undefined;
  }
}

export class EpochHaves {
  /** One more than the highest; 0: nothing was announced. */
  next = 0;
  private readonly ring = new Uint32Array(haveSpan / 32);

  constructor(readonly epoch: number) {}

  add(n: number, count: number): void {
    const end = n + count;
    if (this.next === 0) this.next = n;
    if (end > this.next) {
      if (end - this.next >= haveSpan) this.ring.fill(0);
      else for (let i = this.next; i < end; i++) this.put(i, false);
      this.next = end;
    }
    for (let i = n; i < end; i++) if (this.holds(i)) this.put(i, true);
  }

  has(n: number): boolean {
    const at = n % haveSpan;
    return this.holds(n) && ((this.ring[at >> 5]! >>> (at & 31)) & 1) === 1;
  }

  /** Reports whether the ring has a place for n. */
  private holds(n: number): boolean {
    return n < this.next && this.next - n <= haveSpan;
  }

  private put(n: number, there: boolean): void {
    const at = n % haveSpan;
    if (there) this.ring[at >> 5]! |= 1 << (at & 31);
    else this.ring[at >> 5]! &= ~(1 << (at & 31));
  }
}
