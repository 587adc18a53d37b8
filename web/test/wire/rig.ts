// Wires, and what they did. Tests only.
import { type Bytes, concat, utf8 } from "../../player/bytes.ts";
import { handshake } from "../../player/wire/handshake.ts";
import { Wire } from "../../player/wire/wire.ts";

export const infohash = new Uint8Array(20).fill(0xaa);

export function peerId(name: string): Bytes {
  return utf8(`-SH0100-${name}`.padEnd(20, "."));
}

/** A wire that writes to `to`, and what it said. */
export class Watched {
  readonly frames: Bytes[] = [];
  readonly written: Bytes[] = [];
  opened: { peerId: Bytes; port: number | null } | null = null;
  ended: string | null = null;
  to: (b: Bytes) => void = () => {};
  readonly wire: Wire;

  constructor(name: string, hash: Bytes = infohash, answering = false) {
    this.wire = new Wire({
      infohash: hash,
      peerId: peerId(name),
      answering,
      on: {
        bytes: (b) => {
          this.written.push(b);
          this.to(b);
        },
        open: (id, port) => (this.opened = { peerId: id, port }),
        frame: (b) => this.frames.push(b),
        end: (why) => (this.ended = why),
      },
    });
  }

  /** All that it wrote. */
  output(): Bytes {
    return concat(...this.written);
  }
}

/** Two wires of which each reads what the other writes. */
export function pair(): [Watched, Watched] {
  const a = new Watched("a");
  const b = new Watched("b");
  a.to = (bytes) => b.wire.receive(bytes);
  b.to = (bytes) => a.wire.receive(bytes);
  return [a, b];
}

/** Lets what was sent in this turn arrive, and what is said to it. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

/** What another peer says first. */
export const greeting = handshake({ infohash, peerId: peerId("other") });

export function message(kind: number, ...rest: (number | Uint8Array)[]): Bytes {
  const body = concat(...rest.map((r) => (typeof r === "number" ? new Uint8Array([r]) : r)));
  return concat(u32(1 + body.length), new Uint8Array([kind]), body);
}

export function u32(n: number): Bytes {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, n);
  return out;
}

/** An extended handshake that says what the text, bencoded, does. */
export function extendedHandshake(said = "d1:md7:sh_livei7eee"): Bytes {
  return message(20, 0, utf8(said));
}

/** A frame to our number. */
export function frame(...bytes: number[]): Bytes {
  return message(20, 1, new Uint8Array(bytes));
}
