// What both directions of the codec share (docs/spec/live-swarm.md 3 and 4).
import type { PeerId } from "./messages.ts";

/** What is no message, or one that cannot be: the class of all errors of Encoder and Decoder. Whoever sent such bytes is at fault. */
export class Malformed extends Error {
  override name = "Malformed";
}

/** A frame begins with its kind. */
export const kinds = {
  track: 0,
  hello: 1,
  head: 2,
  block: 3,
  have: 4,
  want: 5,
  cancel: 6,
  deny: 7,
  getHeads: 8,
  subscribe: 9,
  grant: 10,
  peers: 11,
  state: 12,
  credit: 13,
  ping: 14,
  pong: 15,
  drain: 16,
  getRecords: 17,
  records: 18,
  getInit: 19,
  init: 20,
  signal: 21,
  bye: 22,
} as const;

/** Tracks that a sender may have declared at a time. */
export const trackIds = 64;
/** Envelopes of one Records. */
export const maxRecords = 128;
export const helloLeaf = 1;
export const subscribeUrgent = 1;

/** What a track stands for: an epoch of a rendition. */
export interface TrackKey {
  r: string;
  epoch: number;
}

export function isRendition(r: string): boolean {
  return /^[a-z][a-z0-9]{0,15}$/.test(r);
}

export function isPeerId(id: PeerId): boolean {
  return /^[0-9a-f]{32}$/.test(id);
}

/** Reports whether bytes are an IPv4 address that is written as IPv6. */
export function isMapped(ip: Uint8Array): boolean {
  return ip.length === 16 && ip.subarray(0, 10).every((b) => b === 0) && ip[10] === 0xff && ip[11] === 0xff;
}
