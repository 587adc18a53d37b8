// Puts a frame together.
import { type Bytes, concat, utf8 } from "../bytes.ts";
import { Malformed } from "./codec.ts";
import { maxNumber } from "./messages.ts";

/** The bytes of an unsigned LEB128 number. Throws Malformed where it is below 0 or above maxNumber. */
export function uvarint(v: number): Bytes {
  if (!Number.isInteger(v) || v < 0 || v > maxNumber) throw new Malformed(`no number of the protocol: ${v}`);
  const out: number[] = [];
  for (; v >= 128; v = Math.floor(v / 128)) out.push((v % 128) + 128);
  out.push(v);
  return new Uint8Array(out);
}

/** The bytes of a signed number: v ≥ 0 is the uvarint 2v, v < 0 the uvarint −2v − 1. */
export function varint(v: number): Bytes {
  return uvarint(v < 0 ? -2 * v - 1 : 2 * v);
}

export function u16(v: number): Bytes {
  return new Uint8Array([v >>> 8, v]);
}

export function u32(v: number): Bytes {
  return new Uint8Array([v >>> 24, v >>> 16, v >>> 8, v]);
}

export function u64(v: number): Bytes {
  return concat(u32(Math.floor(v / 2 ** 32)), u32(v % 2 ** 32));
}

/** Writes bytes, numbers (one byte each) and text after each other. */
export function frame(...parts: (Uint8Array | number | string)[]): Bytes {
  return concat(...parts.map((p) => (typeof p === "number" ? new Uint8Array([p]) : typeof p === "string" ? utf8(p) : p)));
}
