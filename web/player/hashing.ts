// SHA-256: the browser's own where it offers one, @noble/hashes elsewhere (a page
// over plain http has no crypto.subtle).
import { sha256 as noble } from "@noble/hashes/sha2.js";
import type { Bytes } from "./bytes.ts";

const subtle = globalThis.crypto?.subtle;

/** Below this size a call into Web Crypto costs more than hashing in the page. */
const small = 512;

export async function sha256(data: Bytes): Promise<Bytes> {
  if (!subtle || data.length <= small) return noble(data) as Bytes;
  return new Uint8Array(await subtle.digest("SHA-256", data));
}

/** The same at once, in the page: for what is small, or where nothing may be waited for. */
export function sha256Now(data: Bytes): Bytes {
  return noble(data) as Bytes;
}
