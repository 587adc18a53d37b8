// What a session adds up to, in the fields of `shoal watch --stats json` and counted as it counts.
import type { Histogram } from "./histogram.ts";
import type { Counts } from "./meter.ts";

export interface Percentiles {
  p50: number;
  p95: number;
}

export function percentiles(h: Histogram): Percentiles {
  return { p50: h.percentile(0.5), p95: h.percentile(0.95) };
}

/** Times are ms unless they say otherwise, bytes are of verified payload. */
export interface Stats {
  t: number; // seconds since the player began
  state: "verified" | "consistent" | "stale" | "offline" | "broken" | "checking";
  written_ms: number; // media that was verified and handed to the decoder
  delay_now_ms: number; // how far the playhead is behind the camera's bytes; 0: it has not begun
  buffer_ms: number; // verified media ahead of the playhead
  behind_ms: Percentiles; // from a piece's being signed to its having its turn here, by the server's clock
  upload: number; // bytes of blocks given to other viewers
  up: number; // bit/s given in the last second
  pieces_verified: number;
  pieces_rejected: number; // copies whose bytes were not what was signed
  blocks_rejected: number; // 16 KiB blocks that were false
  bytes: Counts; // each piece once, by who delivered the copy that was accepted
  bytes_duplicate: number; // valid payload that was received more than once
  delay_ms: Percentiles; // sampled every 100 ms of a live session
  stalls: number; // the playhead was held 250 ms or longer
  stalled_ms: number; // how long in those
  peers: number; // connected now
}
