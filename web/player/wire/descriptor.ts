// A stream's descriptor: the small torrent whose infohash is where the stream's peers meet (docs/spec/live-swarm.md 2.1).
import { sha1 } from "@noble/hashes/legacy.js";
import { type Bytes, concat } from "../bytes.ts";
import { type Envelope, envelopeJson, peek, string, types } from "../dsse.ts";
import { encode } from "./bencode.ts";

const pieceLength = 16 << 10;

/** The infohash of the stream that a genesis begins. The genesis is not verified here: who meets there proves nothing either. */
export function infohash(genesis: Envelope): Bytes {
  return sha1(info(genesis)) as Bytes;
}

/** The info dictionary's bytes. SHA-1 is what BEP 3 asks for, and is the library's: Web Crypto's needs a secure context. */
export function info(genesis: Envelope): Bytes {
  const content = envelopeJson(genesis);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += pieceLength) pieces.push(sha1(content.subarray(at, at + pieceLength)));
  return encode({
    length: content.length,
    name: `${string(peek(genesis, types.genesis), "name")}.shoal`,
    "piece length": pieceLength,
    pieces: concat(...pieces),
    // BEP 27: no DHT and no peer exchange, which would go around consent and gating.
    private: 1,
  });
}
