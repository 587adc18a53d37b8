// What the page and the engine tell each other. The engine runs in a worker where one can be had, so all of it can
// be cloned; moments are milliseconds of performance.timeOrigin + performance.now(), which both sides share.
import type { Bytes } from "../bytes.ts";
import type { Entry, Position } from "../documents.ts";
import type { Envelope } from "../dsse.ts";
import type { Conn } from "../swarm/effects.ts";
import type { Hint, Key, PeerId, Role } from "../swarm/messages.ts";
import type { FoundFork } from "../swarm/verify_forks.ts";

/** What a stream is taken part in by. */
export interface Begin {
  stream: string;
  name: string;
  /** The address that live/<name>/… is relative to. */
  base: string;
  genesis: Envelope;
  /** Rotations, then sessions, as far as they are known. */
  records: Envelope[];
  /** 20 bytes, of the stream's descriptor torrent. */
  infohash: Bytes;
  /** 20 bytes, what BitTorrent calls this peer. */
  peerId: Bytes;
  /** bit/s that others are given at most; 0: nothing. */
  up: number;
  wants: string[];
  /** Further renditions of the stream, that may be wanted later. */
  others?: string[];
  /** What is kept for others, of media; 30 s where it is left out. */
  windowMs?: number;
  /** The same in bytes, all renditions together; 48 MiB where it is left out. */
  maxBytes?: number;
  /** The origin may be asked for what the swarm lacks. */
  origin: boolean;
}

/** From the page. Buffers of `bytes` are handed over: the page cannot use them any more. */
export type Command =
  | { do: "begin"; with: Begin }
  /** A channel to somebody is open; conn is a number that was not used before. */
  | { do: "opened"; conn: Conn; initiator: boolean }
  | { do: "data"; conn: Conn; bytes: Bytes }
  | { do: "closed"; conn: Conn }
  /** The media at pts (ticks) of an epoch is played at a moment, in Unix ms of this machine. */
  | { do: "play"; r: string; epoch: number; pts: number; at: number }
  /** Nothing before is wanted. */
  | { do: "follow"; r: string; from: Position }
  | { do: "want"; r: string; on: boolean }
  /** The page asks the origin for a piece by itself, or does so no longer: the engine need not. */
  | { do: "asking"; piece: Key; on: boolean }
  /** A piece and its entry that came from the origin. */
  | { do: "piece"; envelope: Envelope; bytes: Bytes }
  | { do: "init"; root: string; bytes: Bytes }
  /** A rotation or session record that came from elsewhere. */
  | { do: "record"; envelope: Envelope }
  | { do: "setUp"; bits: number }
  /** Peers in the swarm, as the tracker says. */
  | { do: "setSwarm"; peers: number }
  /** Passes a signal to a peer that is not connected. */
  | { do: "relay"; to: PeerId; body: Bytes }
  /** Sends the children elsewhere; the connections are closed a moment later, and the engine ends. */
  | { do: "end" }
  /** Sends them elsewhere and goes on. */
  | { do: "drain" };

/** Where bytes came from. */
export interface BySource {
  peer: number;
  seed: number;
  edge: number;
  origin: number;
}

/** One peer that is connected. */
export interface PeerFigures {
  conn: Conn;
  /** What it calls itself in the swarm; empty before it introduced itself. */
  id: PeerId;
  role: Role;
  rttMs: number | null;
  /** Lanes that it pushes to us, and we to it. */
  granted: number;
  given: number;
  /** Blocks that were due from it and did not come in time. */
  missed: number;
  /** bit/s in the last second, both ways, all that the channel carried. */
  down: number;
  up: number;
}

/** The engine's figures; counts are since it began. */
export interface Figures {
  peers: PeerFigures[];
  /** Bytes of good blocks, each once. */
  bytes: BySource;
  /** Bytes of blocks that came again, and of those that nobody could use any more. */
  duplicate: number;
  unasked: number;
  /** False blocks and heads. */
  rejected: number;
  /** Bytes of blocks that were given to others. */
  sent: number;
  pieces: number;
  heads: number;
  /** Bytes of blocks that are kept for others. */
  window: number;
  /** Lanes that come from others, and that are pushed to others. */
  parents: number;
  children: number;
  /** Parents that others took the place of. */
  swaps: number;
}

/** Whether a rendition's next piece can be left to the swarm. */
export interface Warm {
  r: string;
  warm: boolean;
  /** When the next head is due; null before anything came. */
  expected: number | null;
  /** Lanes that have a parent, of 5. */
  parents: number;
}

/** From the engine. */
export type Event =
  /** It runs, and is called so in the swarm. */
  | { is: "ready"; id: PeerId }
  | { is: "send"; conn: Conn; bytes: Bytes }
  /** Is to be closed after what was sent; with `ban`, its peer is not to be connected again. */
  | { is: "close"; conn: Conn; why: string; ban: boolean }
  /** A peer that was heard of, to be signalled through relay. */
  | { is: "dial"; hint: Hint }
  | { is: "signal"; from: PeerId; body: Bytes }
  /** A verified entry that the swarm told of. */
  | { is: "head"; entry: Entry; digest: string; envelope: Envelope; freshMs: number }
  /** A verified piece; `by` counts its bytes, `duplicate` those that came again. */
  | { is: "piece"; key: Key; bytes: Bytes; by: BySource; duplicate: number; rejected: number }
  /** Neither the swarm nor the origin could give this piece so far: `gone` there, or `false` bytes. */
  | { is: "refused"; key: Key; why: "gone" | "false" }
  | { is: "init"; root: string; bytes: Bytes }
  | { is: "record"; envelope: Bytes }
  /** Evidence against the creator's chain. */
  | { is: "fork"; fork: FoundFork }
  | { is: "warm"; warm: Warm }
  | { is: "stats"; figures: Figures }
  /** The engine cannot go on; the page plays on over HTTP. */
  | { is: "trouble"; sentence: string }
  /** It ended as it was told. */
  | { is: "ended" };

/** The buffers of what is handed over rather than copied. */
export function buffers(messages: readonly (Command | Event)[]): ArrayBuffer[] {
  return messages.flatMap((m) => ("bytes" in m && m.bytes.length > 0 ? [m.bytes.buffer] : []));
}

/** Bytes in a buffer of their own, so that they can be handed over. */
export function own(bytes: Bytes): Bytes {
  return bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
}
