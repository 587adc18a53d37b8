// A swarm as a page may see it, for what draws it: made up, but of the size and
// unevenness of a real one.
import type { PeerView, Second, View } from "../../player/view.ts";

export const viewers: PeerView[] = [
  { id: "a", role: "viewer", rttMs: 8, down: 640_000, up: 0, relayed: false, missed: 0 },
  { id: "b", role: "viewer", rttMs: 24, down: 410_000, up: 380_000, relayed: false, missed: 0 },
  { id: "c", role: "viewer", rttMs: 31, down: 0, up: 720_000, relayed: false, missed: 0 },
  { id: "d", role: "viewer", rttMs: 74, down: 220_000, up: 0, relayed: true, missed: 0 },
  { id: "e", role: "viewer", rttMs: 120, down: 0, up: 0, relayed: false, missed: 0 },
];
export const servers: PeerView[] = [
  { id: "s", role: "seed", rttMs: 19, down: 190_000, up: 0, relayed: false, missed: 0 },
  { id: "x", role: "edge", rttMs: 12, down: 140_000, up: 0, relayed: false, missed: 0 },
];

/** A minute in which viewers take over from the origin; the same each time. */
export function minute(): Second[] {
  return Array.from({ length: 60 }, (_, i) => {
    const wave = (k: number) => 0.5 + 0.5 * Math.sin(i * k + k * 7);
    const swarm = Math.min(1, Math.max(0, (i - 2) / 9));
    const all = 165_000 + 30_000 * wave(0.9) + 18_000 * wave(2.3);
    const dip = i > 38 && i < 43 ? 0.45 : 1;
    const peer = all * swarm * (0.86 + 0.1 * wave(1.7)) * dip;
    const seed = (all - peer) * swarm * 0.55;
    const edge = (all - peer) * swarm * 0.3;
    return { peer, seed, edge, origin: all - peer - seed - edge, up: swarm * (70_000 + 60_000 * wave(1.3)) };
  });
}

/** What Player.view() would return in that swarm, given what it returns now. */
export function swarming(v: View, peers = [...viewers, ...servers]): View {
  return {
    ...v,
    ...{ mode: "share", chosen: "share", consent: "ask", sensitive: false, relay: true, limit: "", upCap: 5e6, ask: false, most: "share" },
    telemetry: "on",
    qualities: [],
    quality: null,
    swarm: { state: "on", detail: "", peers, bytes: { peer: 61e6, seed: 6e6, edge: 3e6, origin: 4e6 }, uploaded: 41.3e6, up: 1_100_000, minute: minute() },
  };
}
