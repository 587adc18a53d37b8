// A player that says of itself what a test wants it to.
import type { Reading } from "../../player/telemetry/accumulator.ts";
import type { Stats } from "../../player/stats.ts";

const stats: Stats = {
  ...{ t: 0, state: "verified", written_ms: 0, delay_now_ms: 0, buffer_ms: 0, behind_ms: { p50: 0, p95: 0 }, upload: 0, up: 0 },
  ...{ pieces_verified: 0, pieces_rejected: 0, blocks_rejected: 0, bytes: { peer: 0, seed: 0, edge: 0, origin: 0 }, bytes_duplicate: 0 },
  ...{ delay_ms: { p50: 0, p95: 0 }, stalls: 0, stalled_ms: 0, peers: 0 },
};

/** A reading at a moment (ms), of nothing but what is named. */
export function reading(now: number, fields: Partial<Omit<Reading, "stats">> & { stats?: Partial<Stats> } = {}): Reading {
  return {
    ...{ now, time: 1_732_780_000_000 + now, state: "p", moment: { bitrate: 0, firstFrameMs: null }, watching: { played: 0, wanted: 0, dry: 0, stalls: 0 } },
    ...{ peers: [], minute: [], allowed: { mode: "share", up: Number.POSITIVE_INFINITY }, swaps: 0, dropped: 0, top: 0, rendition: "v0", hidden: false },
    ...fields,
    stats: { ...stats, ...fields.stats },
  };
}

export const visit = { stream: "k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2", session: "abcdefghijabcdefghijabcdef", class: "chrome-desktop" };
