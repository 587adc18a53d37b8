// Ed25519 verification: the browser's own where it has it, @noble/ed25519 elsewhere.
import * as noble from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import type { Bytes } from "./bytes.ts";

noble.hashes.sha512 = sha512;

const subtle = globalThis.crypto?.subtle;
const imported = new Map<string, Promise<CryptoKey>>();
const maxImported = 64;
let native = subtle !== undefined;

/** Reports whether sig is key's signature of message. Never throws for bad input. */
export async function verify(key: Bytes, message: Bytes, sig: Bytes): Promise<boolean> {
  if (key.length !== 32 || sig.length !== 64) return false;
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
  try {
    return key.length === 32 && sig.length === 64 && noble.verify(sig, message, key, { zip215: false });
  } catch {
    return false;
  }
}

/** What checks signatures here, for the page to say. */
export function engine(): "webcrypto" | "noble" {
  return native ? "webcrypto" : "noble";
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
