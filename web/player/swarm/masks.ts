// Sets: of blocks of a piece, and of lanes of a rendition.
import type { Bytes } from "../bytes.ts";

/** How many lanes the blocks of a rendition are striped over. One more, headLane, carries the heads. */
export const lanes = 4;
export const headLane = lanes;
export const allLanes = lanes + 1;

/** A set of lanes: lane l is bit l. */
export type LaneMask = number;

/** The set of every lane, and that of the lanes of blocks. */
export const everyLane: LaneMask = (1 << allLanes) - 1;
export const blockLanes: LaneMask = (1 << lanes) - 1;

export function hasLane(m: LaneMask, l: number): boolean {
  return ((m >> l) & 1) === 1;
}

export function laneCount(m: LaneMask): number {
  let n = 0;
  for (let l = 0; l < allLanes; l++) n += (m >> l) & 1;
  return n;
}

/** A set of blocks of one piece: block i is bit i mod 8 of byte ⌊i / 8⌋, as it travels. */
export class Mask {
  readonly bits: Bytes = new Uint8Array(32);

  static of(...blocks: number[]): Mask {
    const m = new Mask();
    for (const i of blocks) m.set(i);
    return m;
  }

  has(i: number): boolean {
    return ((this.bits[i >> 3]! >> (i & 7)) & 1) === 1;
  }

  set(i: number): void {
    this.bits[i >> 3]! |= 1 << (i & 7);
  }

  /** How many blocks are in the set. */
  get size(): number {
    return this.list().length;
  }

  /** The blocks in the set, in order. */
  list(): number[] {
    const out: number[] = [];
    for (let i = 0; i < 8 * this.bits.length; i++) if (this.has(i)) out.push(i);
    return out;
  }
}
