// What the player asks of whoever decodes: hls.js, or another library that takes playlists and media from a Session.
import type { Entry } from "./documents.ts";
import type { Target } from "./live.ts";
import type { Session } from "./session.ts";

export interface RunEvents {
  /** A verified piece goes to the decoder. */
  piece(entries: Entry[]): void;
  /** The playhead ran dry for this long (ms). */
  stalled(ms: number): void;
  /** What cannot go on: a bad piece, a fork, an unplayable codec. */
  failed(err: unknown): void;
  /** The origin does not answer as it should; the stream may have ended. */
  trouble(): void;
  /** The playlist has no media yet. */
  empty(): void;
  /** Live is reached soonest by joining anew. */
  rejoin(): void;
}

export interface RunOptions {
  video: HTMLVideoElement;
  session: Session;
  /** Of the multivariant playlist: what the addresses in playlists are relative to. */
  url: string;
  on: RunEvents;
  target: Target;
  /** The most media to hold in the decoder, in bytes; Infinity: as usual. */
  maxBuffer: number;
  /** The rendition to keep to where it is there; null: whichever suits. */
  quality: string | null;
}

/** From joining a live stream until it ends, breaks or is stopped. */
export interface Run {
  /** The entry at the playhead and how far into it, in seconds. */
  playing(): { entry: Entry; into: number } | null;
  /** Goes back to live after a pause. */
  toLive(): void;
  /** Seconds between the playhead and the end of what is buffered. */
  ahead(): number;
  /** Of what was played last, in bit/s. */
  bitrate(): number;
  /** The rendition that it keeps to; null where it takes whichever suits. */
  chosen(): string | null;
  /** Keeps to a rendition from the next piece on, as long as it can be had; null: takes whichever suits. */
  choose(rendition: string | null): void;
  destroy(): void;
}

export interface Runner {
  /** Loads what is needed; called beside the first request, and again before each run. */
  ready(): Promise<void>;
  /** Why it cannot be played here, as a sentence; empty where it can. Asked once it is ready. */
  unsupported(): string;
  run(o: RunOptions): Run;
}
