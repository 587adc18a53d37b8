import type { Bytes } from "../bytes.ts";
import type { Hint, Message, OpenHead, Reason, Signal } from "./messages.ts";

/** Names one connection of a node, by a number that its caller chose and does not use again. */
export type Conn = number;

/** The kinds of who delivers bytes, as indexes of counts. */
export const sources = { peer: 0, seed: 1, edge: 2, origin: 3 } as const;
export type Source = (typeof sources)[keyof typeof sources];

/** What a node wants done. */
export interface Effects {
  /** In this order on each connection. */
  send: { to: Conn; message: Message }[];
  /** Connections to end after what is sent. If the reason bans, the peer is not to be connected again. */
  drop: { conn: Conn; reason: Reason }[];
  /** Newly verified, in any order. */
  heads: OpenHead[];
  /** Newly whole, in any order. */
  pieces: WholePiece[];
  fetch: Fetch[];
  /** Peers to connect to, if there is room. Relay signals them, through whom they were heard of. */
  dial: Hint[];
  /** For this node. */
  signals: Signal[];
  /** Records that were learned, verified. */
  records: Bytes[];
  /** Init segments that arrived. */
  inits: Segment[];
}

export function noEffects(): Effects {
  return { send: [], drop: [], heads: [], pieces: [], fetch: [], dial: [], signals: [], records: [], inits: [] };
}

/** A verified piece. */
export interface WholePiece {
  head: OpenHead;
  /** None for a gap; shared with the node, which keeps them while its window does. */
  blocks: Bytes[];
  /** The piece's bytes by who delivered them. */
  bytes: number[];
  /** Bytes of good blocks that came again. */
  duplicate: number;
  /** Blocks that were false. */
  rejected: number;
}

/**
 * Blocks `first` to `last` of a piece that are to be asked of the origin, over HTTP: the bytes from first × 16 KiB on.
 * fetched or fetchFailed answers.
 */
export interface Fetch {
  head: OpenHead;
  first: number;
  last: number;
}

/** A verified init segment and its root. */
export interface Segment {
  root: string;
  data: Bytes;
}
