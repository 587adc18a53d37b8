// Ed25519 verification: the browser's own where it has it, @noble/ed25519 elsewhere. Both by one rule
// (docs/spec/manifest.md 2.2), so that no two viewers judge a signature differently.
import * as noble from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, equal } from "./bytes.ts";
import { sound } from "./points.ts";

const subtle = globalThis.crypto?.subtle;
const imported = new Map<string, Promise<CryptoKey>>();
const maxImported = 64;
let native = subtle !== undefined;

/** The order of the base point. */
const order = noble.Point.CURVE().n;

/** Reports whether sig is key's signature of message. Never throws for bad input. */
export async function verify(key: Bytes, message: Bytes, sig: Bytes): Promise<boolean> {
  if (!possible(key, sig)) return false;
  if (native) {
    try {
      return await subtle.verify("Ed25519", await importKey(key), sig, message);
    } catch (e) {
      // Before Chromium 137 and in some engines the algorithm is not there at all.
      if (!(e instanceof DOMException && e.name === "NotSupportedError")) return false;
      native = false;
    }
  }
  return verifyNow(key, message, sig);
}

/** The same at once, in the page. */
export function verifyNow(key: Bytes, message: Bytes, sig: Bytes): boolean {
  if (!possible(key, sig)) return false;
  try {
    // RFC 8032 5.1.7 without the cofactor, which the library multiplies by: R = SB - kA, as it is written.
    const a = noble.Point.fromBytes(key);
    const k = number(sha512(concat(sig.subarray(0, 32), key, message))) % order;
    const r = noble.Point.BASE.multiply(number(sig.subarray(32)), false).subtract(a.multiply(k, false));
    return equal(r.toBytes(), sig.subarray(0, 32));
  } catch {
    return false;
  }
}

/** What checks signatures here, for the page to say. */
export function engine(): "webcrypto" | "noble" {
  return native ? "webcrypto" : "noble";
}

/** Reports whether key and signature are written as they must be; engines differ about what is not. */
function possible(key: Bytes, sig: Bytes): boolean {
  return key.length === 32 && sig.length === 64 && sound(key) && sound(sig.subarray(0, 32)) && number(sig.subarray(32)) < order;
}

/** A number that is written with its least byte first. */
function number(b: Uint8Array): bigint {
  let n = 0n;
  for (let i = b.length - 1; i >= 0; i--) n = (n << 8n) | BigInt(b[i]!);
  return n;
}

function importKey(key: Bytes): Promise<CryptoKey> {
  const name = key.join();
  let found = imported.get(name);
  if (!found) {
    if (imported.size >= maxImported) imported.clear();
    found = subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    imported.set(name, found);
  }
  return found;
}
