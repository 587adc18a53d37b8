// What went otherwise than it should in a swarm, counted.

export interface SwarmCounts {
  /** Blocks that were false. */
  rejected: number;
  /** Bytes that came more than once. */
  duplicate: number;
  /** Parents that others took the place of. */
  swaps: number;
}

export const none: SwarmCounts = { rejected: 0, duplicate: 0, swaps: 0 };

export function sum(a: SwarmCounts, b: SwarmCounts): SwarmCounts {
  return { rejected: a.rejected + b.rejected, duplicate: a.duplicate + b.duplicate, swaps: a.swaps + b.swaps };
}
