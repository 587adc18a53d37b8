// What a player plays at a moment, in its own figures.
import type { Provenance } from "./provenance.ts";

export type State = "loading" | "offline" | "starting" | "playing" | "paused" | "unknown" | "unreachable" | "unplayable" | "broken";

/** What is played at a moment. Times are ms. */
export interface Moment {
  state: State;
  provenance: Provenance;
  delayMs: number | null; // from the camera's arrival at ingest to the screen
  piecesVerified: number;
  piecesRejected: number;
  stalls: number;
  stalledMs: number;
  firstFrameMs: number | null; // since the page began, or since the stream went live
  streamId: string | null;
  key: string | null; // the creator's root key, as a fingerprint
  engine: "webcrypto" | "noble";
  width: number;
  height: number;
  bitrate: number; // bit/s
  codecs: string;
  bufferMs: number;
  targetMs: number | null; // the delay that the player steers to, from the jitter it measures
  jitterMs: number;
  epoch: number | null;
  n: number | null;
  detail: string; // what makes it broken or unplayable, for the technically minded
}
