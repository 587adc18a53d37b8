// The two handshakes that a connection begins with: BitTorrent's (BEP 3), and that of extensions (BEP 10), which says under which number
// each side wants the frames of sh_live (docs/spec/live-swarm.md 3.1).
import { type Bytes, concat, equal, utf8 } from "../bytes.ts";
import { decode, encode } from "./bencode.ts";

export const handshakeLength = 68;
/** The number under which this side wants frames. */
export const ourNumber = 1;

const header = concat(new Uint8Array([19]), utf8("BitTorrent protocol"));
const name = "sh_live";

export interface Handshake {
  infohash: Bytes;
  peerId: Bytes;
}

export function handshake(h: Handshake): Bytes {
  // Of the reserved bits only the one of BEP 10 is set: no DHT, no fast extension.
  return concat(header, new Uint8Array([0, 0, 0, 0, 0, 0x10, 0, 0]), h.infohash, h.peerId);
}

/** Reads 68 bytes that are the reader's own. It throws what keeps us from talking to who sent them. */
export function readHandshake(bytes: Bytes, ours: Handshake): Bytes {
  if (!equal(bytes.subarray(0, header.length), header)) throw new Error("it does not begin as BitTorrent does");
  if (!equal(bytes.subarray(28, 48), ours.infohash)) throw new Error("it is about another torrent");
  const peerId = bytes.slice(48);
  if (equal(peerId, ours.peerId)) throw new Error("it is this peer itself");
  if ((bytes[25]! & 0x10) === 0) throw new Error("it knows no extensions");
  return peerId;
}

/** The dictionary of the extended handshake; it says nothing else, so that pages are all alike. */
export function extendedHandshake(): Bytes {
  return encode({ m: { [name]: ourNumber } });
}

export interface Extended {
  /** Under which the other side wants frames; null: it does not speak sh_live. */
  number: number | null;
  /** At which the other side takes TCP connections, if it says. */
  port: number | null;
}

/** Reads the other side's dictionary; it throws when that is none. */
export function readExtendedHandshake(bytes: Bytes): Extended {
  const said = decode(bytes);
  if (!(said instanceof Map)) throw new Error("its extended handshake is no dictionary");
  const m = said.get("m");
  const within = (v: unknown, most: number) => (typeof v === "number" && v > 0 && v <= most ? v : null);
  return { number: m instanceof Map ? within(m.get(name), 255) : null, port: within(said.get("p"), 65_535) };
}
