// Cuts a stream of bytes into the messages of BEP 3, whatever parts it comes in. Only what this side reads is kept: frames and extended
// handshakes, each in a buffer of its own; all else is counted and passed over.
import type { Bytes } from "../bytes.ts";
import { maxFrame } from "../swarm/messages.ts";
import { handshakeLength, ourNumber } from "./handshake.ts";

/** The id of extended messages (BEP 10), and their own number of the handshake. */
export const extended = 20;
export const extendedHandshakeNumber = 0;

/** The longest message: a frame with the two bytes before it. What stock clients send of so small a torrent is far shorter. */
const maxMessage = 2 + maxFrame;

export interface MessageEvents {
  /** The first 68 bytes. */
  handshake(bytes: Bytes): void;
  extendedHandshake(bytes: Bytes): void;
  frame(bytes: Bytes): void;
}

/** A part that is being collected, and what is done with it. */
interface Part {
  bytes: Bytes;
  have: number;
  done: (bytes: Bytes) => void;
}

export class Messages {
  private part: Part;
  /** Bytes of the present message that are passed over. */
  private skip = 0;
  /** Those of each message's beginning. */
  private readonly length = new Uint8Array(4);
  private readonly kind = new Uint8Array(2);
  private stopped = false;

  constructor(private readonly on: MessageEvents) {
    this.part = collect(new Uint8Array(handshakeLength), (b) => {
      on.handshake(b);
      this.next();
    });
  }

  /** Takes in bytes as they came; they are not kept. It throws when a message is longer than it may be, and what a handler throws. */
  receive(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.stopped; ) {
      if (this.skip > 0) {
        const n = Math.min(this.skip, bytes.length - at);
        this.skip -= n;
        at += n;
        continue;
      }
      const p = this.part;
      const n = Math.min(p.bytes.length - p.have, bytes.length - at);
      p.bytes.set(bytes.subarray(at, at + n), p.have);
      p.have += n;
      at += n;
      if (p.have === p.bytes.length) p.done(p.bytes);
    }
  }

  /** Takes in nothing more, not even the rest of what is being taken in. */
  stop(): void {
    this.stopped = true;
  }

  private readonly next = (): void => {
    this.part = collect(this.length, this.measure);
  };

  private readonly measure = (b: Bytes): void => {
    const length = b[0]! * 2 ** 24 + ((b[1]! << 16) | (b[2]! << 8) | b[3]!);
    if (length > maxMessage) throw new Error(`a message has ${length} bytes`);
    if (length < 2) {
      this.pass(length);
      return;
    }
    this.part = collect(this.kind, (k) => this.sort(k, length - 2));
  };

  private sort(kind: Bytes, rest: number): void {
    const read = kind[0] !== extended ? null : kind[1] === ourNumber ? this.on.frame : kind[1] === extendedHandshakeNumber ? this.on.extendedHandshake : null;
    if (!read) {
      this.pass(rest);
      return;
    }
    if (rest === 0) throw new Error("a frame or an extended handshake has no bytes");
    this.part = collect(new Uint8Array(rest), (b) => {
      this.next();
      read(b);
    });
  }

  private pass(bytes: number): void {
    this.skip = bytes;
    this.next();
  }
}

function collect(bytes: Bytes, done: (bytes: Bytes) => void): Part {
  return { bytes, have: 0, done };
}
