// Bytes as the formats write them: hexadecimal, base64, base32, UTF-8.

/** Bytes over an ordinary buffer, as Web Crypto and fetch want them. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** Reads UTF-8 and throws when it is not. */
export function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function hex(bytes: Uint8Array): string {
  let out = "";
  for (const b of bytes) out += b.toString(16).padStart(2, "0");
  return out;
}

/** Reads lower-case hexadecimal of exactly `length` bytes. */
export function unhex(s: string, length: number): Bytes {
  if (s.length !== 2 * length || !/^[0-9a-f]*$/.test(s)) {
    throw new Error(`expected ${2 * length} lower-case hexadecimal digits`);
  }
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = Number.parseInt(s.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export function base64(bytes: Uint8Array): string {
  let raw = "";
  for (const b of bytes) raw += String.fromCharCode(b);
  return btoa(raw);
}

/** Reads standard, padded base64 and nothing else. */
export function unbase64(s: string): Bytes {
  if (s.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(s)) throw new Error("not standard base64");
  const raw = atob(s);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  if (base64(out) !== s) throw new Error("not standard base64"); // stray bits at the end
  return out;
}

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** Lower-case base32 (RFC 4648) without padding. */
export function base32(bytes: Uint8Array): string {
  let out = "";
  let bits = 0;
  let value = 0;
  for (const b of bytes) {
    value = ((value << 8) | b) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += alphabet[(value >> bits) & 31];
    }
  }
  if (bits > 0) out += alphabet[(value << (5 - bits)) & 31];
  return out;
}

/** Reads lower-case base32 without padding of exactly `length` bytes, a multiple of 5. */
export function unbase32(s: string, length: number): Bytes {
  if (s.length * 5 !== length * 8 || !/^[a-z2-7]*$/.test(s)) throw new Error(`expected base32 of ${length} bytes`);
  const out = new Uint8Array(length);
  let at = 0;
  let bits = 0;
  let value = 0;
  for (const c of s) {
    value = ((value << 5) | alphabet.indexOf(c)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = value >> bits;
    }
  }
  return out;
}

export function concat(...parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((v, i) => v === b[i]);
}
