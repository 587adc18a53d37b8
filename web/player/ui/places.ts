// Where things stand in the picture of the swarm: pure, so that it can be tested.

/** Half the room to draw in. */
export const room = { x: 185, y: 148 };
const nearest = 66;
const farthest = 122;
const nearMs = 5;
const farMs = 300;
const stretch = 1.3; // the picture is wider than high

/** The distance from the centre for a round trip time, on a logarithmic scale; unknown stands outermost. */
export function distance(rttMs: number | null): number {
  if (rttMs === null) return farthest;
  const ms = Math.min(farMs, Math.max(nearMs, rttMs));
  return nearest + ((farthest - nearest) * Math.log(ms / nearMs)) / Math.log(farMs / nearMs);
}

export function point(angle: number, radius: number): { x: number; y: number } {
  return { x: stretch * radius * Math.cos(angle), y: radius * Math.sin(angle) };
}

/** The ellipse on which a round trip time stands. */
export function ring(rttMs: number): { rx: number; ry: number } {
  return { rx: stretch * distance(rttMs), ry: distance(rttMs) };
}

/**
 * Gives every id an angle: who had one keeps it, who is new stands in the middle of the
 * widest gap. Ids that left are forgotten.
 */
export function angles(ids: string[], before: ReadonlyMap<string, number>): Map<string, number> {
  const now = new Map<string, number>();
  for (const id of ids) if (before.has(id)) now.set(id, before.get(id)!);
  for (const id of ids) if (!now.has(id)) now.set(id, widest([...now.values()]));
  return now;
}

const turn = 2 * Math.PI;

function widest(taken: number[]): number {
  if (taken.length === 0) return -Math.PI / 2;
  const sorted = taken.map((a) => ((a % turn) + turn) % turn).sort((a, b) => a - b);
  let best = { from: 0, gap: -1 };
  for (const [i, from] of sorted.entries()) {
    const gap = i + 1 < sorted.length ? sorted[i + 1]! - from : sorted[0]! + turn - from;
    if (gap > best.gap + 1e-9) best = { from, gap };
  }
  // Not quite the middle, or four would stand in a cross and eight in a star.
  return (best.from + best.gap * (taken.length === 1 ? 0.38 : 0.5)) % turn;
}

/** How thick a line is for a rate in bit/s; 0 for none. */
export function thickness(bits: number): number {
  return bits < 1e3 ? 0 : Math.min(9, 2 + Math.sqrt(bits / 1e6) * 3);
}
