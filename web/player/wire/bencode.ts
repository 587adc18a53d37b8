// Bencoding (BEP 3), as far as handshakes and infohashes need it. What is read comes from strangers.
import { type Bytes, concat, utf8 } from "../bytes.ts";

export type Value = number | Bytes | string | Value[] | { [key: string]: Value };

/** Writes a value; text as UTF-8, members of dictionaries sorted as BEP 3 asks: names are ASCII here. */
export function encode(value: Value): Bytes {
  const parts: Bytes[] = [];
  write(value, parts);
  return concat(...parts);
}

function write(value: Value, parts: Bytes[]): void {
  if (typeof value === "number") {
    parts.push(utf8(`i${value}e`));
  } else if (typeof value === "string" || value instanceof Uint8Array) {
    const bytes = typeof value === "string" ? utf8(value) : value;
    parts.push(utf8(`${bytes.length}:`), bytes);
  } else if (Array.isArray(value)) {
    parts.push(utf8("l"));
    for (const item of value) write(item, parts);
    parts.push(utf8("e"));
  } else {
    parts.push(utf8("d"));
    for (const name of Object.keys(value).sort()) {
      write(name, parts);
      write(value[name]!, parts);
    }
    parts.push(utf8("e"));
  }
}

/** A dictionary that was read. Names are bytes, one character each; strings are bytes. */
export type Dictionary = Map<string, Read>;
export type Read = number | Bytes | Read[] | Dictionary;

/** Nothing that is known nests deeper than an extended handshake: two dictionaries. */
const maxDepth = 16;

/**
 * Reads one value at the beginning of `bytes`, and passes over what follows it. It throws when there is none. Byte strings are views.
 * Members may come in any order, and of two with one name the later one counts: others write so.
 */
export function decode(bytes: Bytes): Read {
  return new Reader(bytes).value(0);
}

const code = (c: string) => c.charCodeAt(0);
const [i, l, d, e, colon, zero, nine, minus] = [..."ilde:09-"].map(code) as [number, number, number, number, number, number, number, number];

class Reader {
  private at = 0;

  constructor(private readonly bytes: Bytes) {}

  value(depth: number): Read {
    if (depth > maxDepth) throw new Error("bencoded values nest too deep");
    switch (this.bytes[this.at]) {
      case i:
        this.at++;
        return this.number(e);
      case l: {
        const out: Read[] = [];
        for (this.at++; !this.end(); ) out.push(this.value(depth + 1));
        return out;
      }
      case d: {
        const out: Dictionary = new Map();
        for (this.at++; !this.end(); ) {
          const name = String.fromCharCode(...this.string(maxName));
          out.set(name, this.value(depth + 1));
        }
        return out;
      }
      default:
        return this.string(this.bytes.length);
    }
  }

  /** Passes over the e that ends a list or a dictionary, if it is next. */
  private end(): boolean {
    if (this.bytes[this.at] !== e) return false;
    this.at++;
    return true;
  }

  private string(most: number): Bytes {
    const length = this.number(colon);
    if (length < 0 || length > most || length > this.bytes.length - this.at) throw new Error("a bencoded string is longer than it may be");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  private number(until: number): number {
    const negative = this.bytes[this.at] === minus;
    if (negative) this.at++;
    let value = 0;
    let digits = 0;
    for (;;) {
      const c = this.bytes[this.at++];
      if (c === until && digits > 0) return negative ? -value : value;
      if (c === undefined || c < zero || c > nine || ++digits > maxDigits) throw new Error("a bencoded number is none");
      value = value * 10 + (c - zero);
    }
  }
}

/** Of a member, and digits of a number: 2^53 has 16. */
const maxName = 256;
const maxDigits = 15;
