// Signs documents as the creator's machines do. Tests only: the pages cannot sign.
import { createHash } from "node:crypto";
import * as ed from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import { base32, base64, type Bytes, concat, hex, utf8 } from "../../player/bytes.ts";
import { pae, types } from "../../player/dsse.ts";

ed.hashes.sha512 = sha512;

export interface Key {
  secret: Bytes;
  public: Bytes;
}

export interface Dsse {
  payloadType: string;
  payload: string;
  signatures: { keyid: string; sig: string }[];
}

export function newKey(): Key {
  const secret = ed.utils.randomSecretKey() as Bytes;
  return { secret, public: ed.getPublicKey(secret) as Bytes };
}

export function sha256(b: Uint8Array): Bytes {
  return new Uint8Array(createHash("sha256").update(b).digest());
}

export function sign(key: Key, type: keyof typeof types, document: unknown): Dsse {
  return signBytes(key, types[type], utf8(JSON.stringify(document)));
}

export function signBytes(key: Key, payloadType: string, payload: Bytes): Dsse {
  const sig = ed.sign(pae(payloadType, payload), key.secret);
  return {
    payloadType,
    payload: base64(payload),
    signatures: [{ keyid: hex(sha256(key.public).subarray(0, 8)), sig: base64(sig) }],
  };
}

export function payloadOf(e: Dsse): Bytes {
  return new Uint8Array(Buffer.from(e.payload, "base64"));
}

export function digestOf(e: Dsse): string {
  return hex(sha256(payloadOf(e)));
}

export function genesis(root: Key, next: Key, name: string): { envelope: Dsse; id: string } {
  const envelope = sign(root, "genesis", { v: 1, name, root: base64(root.public), next: hex(sha256(next.public)) });
  return { envelope, id: streamId(envelope) };
}

export function streamId(envelope: Dsse): string {
  return base32(sha256(concat(utf8("shoal-stream-v1"), payloadOf(envelope))).subarray(0, 20));
}

export interface SessionFields {
  serial?: number;
  from?: { epoch: number; n: number };
  not_before?: number;
  not_after?: number;
  fresh_ms?: number;
}

export function session(root: Key, stream: string, key: Key, f: SessionFields = {}): Dsse {
  const now = Date.now();
  return sign(root, "session", {
    v: 1,
    stream,
    serial: f.serial ?? 1,
    key: base64(key.public),
    from: f.from ?? { epoch: 0, n: 0 },
    not_before: f.not_before ?? now - 3_600_000,
    not_after: f.not_after ?? now + 3_600_000,
    fresh_ms: f.fresh_ms ?? 5_000,
  });
}
