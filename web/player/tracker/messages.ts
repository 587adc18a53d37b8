// The messages of WebTorrent's trackers, as JSON over a WebSocket. Ids are text of 20 characters, each of them a byte.
import type { Bytes } from "../bytes.ts";
import { object } from "../dsse.ts";
import { checkDescription } from "../rtc/descriptions.ts";

/** An id as trackers write it: its bytes, a character each. */
export type Binary = string;

export function binary(bytes: Uint8Array): Binary {
  return String.fromCharCode(...bytes);
}

/** Reads an id of exactly 20 bytes; null: it is none. */
function idFrom(v: unknown): Binary | null {
  return typeof v === "string" && v.length === 20 && /^[\0-\xff]*$/.test(v) ? v : null;
}

/** An offer that is given to whom the tracker chooses. */
export interface Offer {
  id: Binary;
  sdp: string;
}

/** To a tracker nobody in a live swarm is complete (docs/spec/live-swarm.md 2.3). */
const left = 1 << 14;

export function writeAnnounce(infohash: Bytes, peerId: Bytes, event: "started" | "stopped" | "", offers: Offer[]): string {
  return JSON.stringify({
    action: "announce",
    info_hash: binary(infohash),
    peer_id: binary(peerId),
    ...(event ? { event } : {}),
    numwant: offers.length,
    uploaded: 0,
    downloaded: 0,
    left,
    offers: offers.map((o) => ({ offer_id: o.id, offer: { type: "offer", sdp: o.sdp } })),
  });
}

export function writeAnswer(infohash: Bytes, peerId: Bytes, to: Binary, offerId: Binary, sdp: string): string {
  return JSON.stringify({
    action: "announce",
    info_hash: binary(infohash),
    peer_id: binary(peerId),
    to_peer_id: to,
    offer_id: offerId,
    answer: { type: "answer", sdp },
  });
}

/** What a tracker says. */
export type Said =
  | { type: "announced"; intervalMs: number | null; swarm: number | null }
  | { type: "offer" | "answer"; peer: Binary; id: Binary; sdp: string }
  | { type: "failure"; reason: string }
  | { type: "nothing" };

const nothing: Said = { type: "nothing" };

/** Reads what a tracker says to this peer about this torrent; what is about others is nothing. It throws when it is no such message. */
export function read(text: string, infohash: Bytes, peerId: Bytes): Said {
  const o = object(JSON.parse(text), "a tracker's message");
  const reason = o["failure reason"];
  if (typeof reason === "string") return { type: "failure", reason: reason.slice(0, 200) };
  if (o["action"] !== "announce" || o["info_hash"] !== binary(infohash)) return nothing;
  const kind = "offer" in o ? "offer" : "answer" in o ? "answer" : null;
  if (!kind) return { type: "announced", intervalMs: seconds(o["interval"]), swarm: swarm(o["complete"], o["incomplete"]) };
  const peer = idFrom(o["peer_id"]);
  const id = idFrom(o["offer_id"]);
  const description = object(o[kind], `an ${kind}`);
  if (!peer || !id || description["type"] !== kind) throw new Error(`an ${kind} of nobody or of another type`);
  if (peer === binary(peerId)) return nothing;
  return { type: kind, peer, id, sdp: checkDescription(description["sdp"]) };
}

function seconds(v: unknown): number | null {
  return typeof v === "number" && v > 0 && v < 1e9 ? v * 1_000 : null;
}

function swarm(...counts: unknown[]): number | null {
  if (!counts.every((c) => c === undefined || (Number.isSafeInteger(c) && (c as number) >= 0)) || counts.every((c) => c === undefined)) return null;
  return counts.reduce((n: number, c) => n + ((c as number | undefined) ?? 0), 0);
}
