// DSSE envelopes (https://github.com/secure-systems-lab/dsse): exact payload bytes, a
// payload type, one signature over both.
import { base64, type Bytes, concat, hex, text, unbase64, utf8 } from "./bytes.ts";
import { sha256Now } from "./hashing.ts";
import { verify, verifyNow } from "./signatures.ts";
import { type Json, parseStrict } from "./strictjson.ts";

export const types = {
  genesis: "application/vnd.shoal.genesis.v1+json",
  rotation: "application/vnd.shoal.rotation.v1+json",
  session: "application/vnd.shoal.session.v1+json",
  entry: "application/vnd.shoal.entry.v1+json",
} as const;

export interface Envelope {
  payloadType: string;
  payload: Bytes;
  keyId: string;
  sig: Bytes;
}

/** An envelope larger than this is refused before it is read. */
const maxEnvelope = 64 << 10;

/** Reads the JSON of an envelope that already was parsed, as it stands in manifest.json. */
export function envelopeFrom(value: unknown): Envelope {
  const o = object(value, "an envelope");
  const signatures = o["signatures"];
  if (!Array.isArray(signatures) || signatures.length !== 1) throw new Error("an envelope has exactly one signature");
  const payload = string(o, "payload");
  if (payload.length > maxEnvelope) throw new Error("the envelope is too large");
  const signature = object(signatures[0], "a signature");
  return {
    payloadType: string(o, "payloadType"),
    payload: unbase64(payload),
    keyId: string(signature, "keyid"),
    sig: unbase64(string(signature, "sig")),
  };
}

/** Reads an envelope from the Shoal-Entry header: base64 of its JSON. */
export function envelopeFromHeader(header: string): Envelope {
  if (header.length > 2 * maxEnvelope) throw new Error("the envelope is too large");
  return envelopeFrom(JSON.parse(text(unbase64(header))));
}

/** What is signed: DSSE's pre-authentication encoding. */
export function pae(payloadType: string, payload: Bytes): Bytes {
  return concat(utf8(`DSSEv1 ${utf8(payloadType).length} ${payloadType} ${payload.length} `), payload);
}

/** Verifies an envelope of the given type and returns what it says. */
export async function open(e: Envelope, type: string, key: Bytes): Promise<{ [key: string]: Json }> {
  const said = peek(e, type);
  if (!(await signedBy(e, key))) throw new NotSigned();
  return said;
}

/** The signature is not from the key that it should be from. */
export class NotSigned extends Error {
  override name = "NotSigned";

  constructor() {
    super("the signature is not from the key it should be from");
  }
}

/** Reports whether key signed an envelope, and the envelope says so. */
export async function signedBy(e: Envelope, key: Bytes): Promise<boolean> {
  return e.keyId === keyId(key) && verify(key, pae(e.payloadType, e.payload), e.sig);
}

/** The same at once, in the page: many times slower where the browser could do it. */
export function signedByNow(e: Envelope, key: Bytes): boolean {
  return e.keyId === keyId(key) && verifyNow(key, pae(e.payloadType, e.payload), e.sig);
}

/** A key's short name: hex of the first 8 bytes of its SHA-256. */
export function keyId(key: Bytes): string {
  return hex(sha256Now(key).subarray(0, 8));
}

/** Reads an envelope from the bytes of its JSON, as strictly as a payload. */
export function envelopeFromJson(json: Bytes): Envelope {
  if (json.length > maxEnvelope) throw new Error("the envelope is too large");
  const e = envelopeFrom(parseStrict(text(json)));
  if (e.sig.length !== 64) throw new Error(`a signature of ${e.sig.length} bytes`);
  return e;
}

/** Writes an envelope as DSSE JSON, compact and with its members in a fixed order. */
export function envelopeJson(e: Envelope): Bytes {
  return utf8(JSON.stringify({ payloadType: e.payloadType, payload: base64(e.payload), signatures: [{ keyid: e.keyId, sig: base64(e.sig) }] }));
}

/** Reads an envelope's payload without verifying it: only to learn which key must verify it. */
export function peek(e: Envelope, type: string): { [key: string]: Json } {
  if (e.payloadType !== type) throw new Error(`expected a document of type ${type}`);
  return object(parseStrict(text(e.payload)), "a document") as { [key: string]: Json };
}

export function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${what} is a JSON object`);
  return value as Record<string, unknown>;
}

export function string(o: Record<string, unknown>, key: string): string {
  const v = o[key];
  if (typeof v !== "string") throw new Error(`${key} must be text`);
  return v;
}
