// The messages of sh_live, the protocol by which the viewers and seeds of one stream feed each other
// (docs/spec/live-swarm.md 4). What a message holds is shared between connections and must not be changed
// after it was sent or received.
//
// This directory is the Go package `swarm` once more, for browsers: the same files, words and decisions, held
// to it by the same vectors (swarm/testdata). It is pure as that is: messages and the time come in, messages
// and wishes go out; no sockets, timers, clocks or DOM.
import { type Bytes, concat } from "../bytes.ts";
import type { Entry, Position } from "../documents.ts";
import { type Envelope, types } from "../dsse.ts";
import { blockSize } from "../merkle.ts";
import type { LaneMask, Mask } from "./masks.ts";

/** The version of the protocol that Hello states. */
export const version = 1;

/** The most bytes that a piece can have, and the most blocks. */
export const maxPiece = 4 << 20;
export const maxBlocks = maxPiece / blockSize;

// Bounds of single messages.
/** Bytes of one encoded message; extension messages end at 65,534. */
export const maxFrame = 65_000;
/** Hints of one Peers. */
export const maxHints = 32;
/** Heads that one GetHeads may ask for. */
export const maxHeads = 64;
/** Pieces of one Have. */
export const maxRun = 1024;
export const maxSignal = 8 << 10;
/** Bytes of an init segment, and of one part of it. */
export const maxInit = 1 << 20;
export const initChunk = 32 << 10;
/** Bytes of one record. */
export const maxEnvelope = 32 << 10;

/** Renditions of a stream that anything keeps state of. */
export const maxTracks = 16;

/** The largest number of a piece or an epoch that an entry can have. */
export const maxNumber = Number.MAX_SAFE_INTEGER;

/** Names a piece within a stream: rendition, epoch, number. */
export interface Key extends Position {
  r: string;
}

/** Reports whether there can be such a piece. */
export function possibleKey(k: Key): boolean {
  return k.epoch > 0 && k.epoch <= maxNumber && k.n >= 0 && k.n <= maxNumber;
}

export function keyOf(k: Key): Key {
  return { r: k.r, epoch: k.epoch, n: k.n };
}

/** Names a peer for as long as it runs: 16 random bytes in hexadecimal. It proves nothing. */
export type PeerId = string;

/** What a peer says it is, by its number on the wire. */
export const roles = ["viewer", "seed", "edge"] as const;
export type Role = (typeof roles)[number];

/** Each side's first message. */
export interface Hello {
  type: "Hello";
  version: number;
  stream: string;
  id: PeerId;
  role: Role;
  /** It takes no children. */
  leaf: boolean;
  /** kbit/s that it is willing to give in all; 0: nothing. */
  up: number;
}

/** An entry as it travels: the signed payload and the hashes of the piece's blocks. A gap has no leaves. */
export interface Head {
  type: "Head";
  payload: Bytes;
  sig: Bytes;
  /** 16 hexadecimal digits. */
  keyId: string;
  leaves: Bytes[];
  /** The payload, opened by a Verifier; it does not travel. */
  entry?: Entry;
  /** What the short forms write of the entry (see shorten). */
  members?: Bytes;
}

/** A head that a Verifier opened. */
export type OpenHead = Head & { entry: Entry };

/** How many blocks a piece of so many bytes has. */
export function blocksOf(size: number): number {
  return Math.ceil(size / blockSize);
}

/** The length of block i of a piece of so many bytes. */
export function blockLen(size: number, i: number): number {
  return Math.min(blockSize, size - i * blockSize);
}

/** The head's entry as it stands on the bus and in HTTP. */
export function envelopeOf(h: Head): Envelope {
  return { payloadType: types.entry, payload: h.payload, keyId: h.keyId, sig: h.sig };
}

/** One block of a piece. */
export interface Block extends Key {
  type: "Block";
  index: number;
  data: Bytes;
}

/** The sender holds `count` pieces from n on, whole. */
export interface Have extends Key {
  type: "Have";
  count: number;
}

/** Want asks for blocks of a piece; Cancel takes that back; Deny says that they will not come from here. */
export interface Blocks<Type extends string> extends Key {
  type: Type;
  blocks: Mask;
}
export type Want = Blocks<"Want">;
export type Cancel = Blocks<"Cancel">;
export type Deny = Blocks<"Deny">;

/** Asks for the heads of `count` pieces from n on, as far as they are known. */
export interface GetHeads extends Key {
  type: "GetHeads";
  count: number;
}

/** Which lanes of a rendition the sender wants pushed to it from now on. It replaces what it asked for before. */
export interface Subscribe {
  type: "Subscribe";
  r: string;
  lanes: LaneMask;
  /** Nobody else would have it. */
  urgent: boolean;
}

/** What of a Subscribe is served from now on. It also takes back what was granted before. */
export interface Grant {
  type: "Grant";
  r: string;
  lanes: LaneMask;
}

/** Names others to ask instead of the sender, or besides. */
export interface Peers {
  type: "Peers";
  hints: Hint[];
}

/** Where others could reach a peer. `ip` has 4 or 16 bytes, `port` is 1 to 65535. */
export interface Address {
  ip: Bytes;
  port: number;
}

/** Where a peer may be found; without an address only by signals through who gave the hint. */
export interface Hint {
  id: PeerId;
  role: Role;
  address: Address | null;
}

/** The depth of a lane that does not arrive. */
export const noDepth = 255;

/**
 * How many hops each lane of a rendition takes to reach the sender (a seed's own are 0), how many more lane
 * subscriptions it would take on, and of which lanes.
 */
export interface State {
  type: "State";
  r: string;
  depth: number[];
  /** Tags the part of each lane's tree that hangs on one child of a seed: what has another tag is not below the sender. 0: none. */
  branch: number[];
  spare: number;
  /** The uplink, in kbit/s, of the child that has lanes and is worth least: who has clearly more may get them. 0: none is to be had so. */
  least: number;
  open: LaneMask;
}

/** Lets the receiver send blocks up to `limit` bytes, counted over the connection's life by their data. */
export interface Credit {
  type: "Credit";
  limit: number;
}

/** Ping asks for a Pong with the same token. */
export interface Ping {
  type: "Ping";
  token: number;
}
export interface Pong {
  type: "Pong";
  token: number;
}

/** The sender leaves soon and takes no more subscriptions. */
export interface Drain {
  type: "Drain";
}

/** Asks for session and rotation records. */
export interface GetRecords {
  type: "GetRecords";
}

/** Signed records as DSSE JSON: rotations first, then sessions by serial. */
export interface Records {
  type: "Records";
  envelopes: Bytes[];
}

/** Asks for an init segment, by its root in hexadecimal. */
export interface GetInit {
  type: "GetInit";
  root: string;
}

/** A part of an init segment of `total` bytes. With total 0 the sender has none. */
export interface Init {
  type: "Init";
  root: string;
  total: number;
  offset: number;
  data: Bytes;
}

/** Reports whether an Init's numbers and data go together. */
export function possibleInit(m: Init): boolean {
  if (m.total === 0) return m.offset === 0 && m.data.length === 0;
  return m.total > 0 && m.total <= maxInit && m.data.length > 0 && m.data.length <= initChunk && m.offset >= 0 && m.offset <= m.total - m.data.length;
}

/** A session description or candidate between two peers that have no connection yet, through one that both are connected to. */
export interface Signal {
  type: "Signal";
  from: PeerId;
  to: PeerId;
  body: Bytes;
}

/** The last message, and why: a Reason, or a number of a later version. */
export interface Bye {
  type: "Bye";
  reason: number;
}

export type Message =
  | Hello
  | Head
  | Block
  | Have
  | Want
  | Cancel
  | Deny
  | GetHeads
  | Subscribe
  | Grant
  | Peers
  | State
  | Credit
  | Ping
  | Pong
  | Drain
  | GetRecords
  | Records
  | GetInit
  | Init
  | Signal
  | Bye;

/** Why a connection ends. Those from lied blocks on are for the liar, who is banned. */
export const reasons = {
  leaving: 0,
  /** Neither side has use for the other, and places are scarce. */
  useless: 1,
  /** It did not keep its promises in time. */
  silent: 2,
  /** More than the protocol allows. */
  flooding: 3,
  wrongStream: 4,
  /** Bytes that are no message, or a message that cannot be. */
  badMessage: 5,
  /** A block that does not hash to its leaf. */
  liedBlock: 6,
  /** A head that does not verify. */
  liedHead: 7,
} as const;
export type Reason = (typeof reasons)[keyof typeof reasons];

/** Reports whether whoever caused the reason is not to be talked to again (5.10, 6.5). */
export function bans(r: Reason): boolean {
  return r >= reasons.liedBlock;
}

/** The piece's bytes in one array of their own. */
export function join(blocks: Bytes[]): Bytes {
  return concat(...blocks);
}
