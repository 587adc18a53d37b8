// One side of a BitTorrent connection over a channel of bytes, for as much of BitTorrent as the live swarm needs: both handshakes, and
// frames of sh_live as extended messages (docs/spec/live-swarm.md 3). Whatever else stock clients say is passed over. It has timers, but
// neither sockets nor DOM: it runs in a worker, and who owns it carries its bytes.
import type { Bytes } from "../bytes.ts";
import { maxFrame } from "../swarm/messages.ts";
import { extendedHandshake, type Handshake, handshake, readExtendedHandshake, readHandshake } from "./handshake.ts";
import { extended, extendedHandshakeNumber, Messages } from "./messages.ts";

export interface WireEvents {
  /** Bytes to be written; their buffer holds nothing else and may be given away. */
  bytes(b: Bytes): void;
  /** Both sides speak sh_live from here on; port is where the other takes TCP connections, if it says. */
  open(peerId: Bytes, port: number | null): void;
  /** A frame, in a buffer of its own. */
  frame(b: Bytes): void;
  /** The connection is to be closed: nothing more comes of it. It says why, for logs. Not called after close. */
  end(why: string): void;
}

export interface WireOptions {
  infohash: Bytes;
  peerId: Bytes;
  /** The other side offered the channel, and greets first: browsers may lose what comes to them as a channel opens. */
  answering?: boolean;
  on: WireEvents;
}

/** How long the other side may be silent (BitTorrent clients send something every 120 s), and this one. */
const silenceMs = 150_000;
const heartbeatMs = 45_000;
/** How long both handshakes may take. */
const handshakeMs = 10_000;
/** How often that is looked at. */
const lookMs = 5_000;
/** What is sent within one turn goes out together, in buffers of about so much: frames are many and small, and each buffer costs a message between threads. */
const batchBytes = 64 << 10;

export class Wire {
  private readonly messages: Messages;
  private readonly out = new Batch(batchBytes, (b) => this.write(b));
  private readonly began = performance.now();
  private heard = this.began;
  private spoke = this.began;
  private timer: ReturnType<typeof setInterval>;
  private theirs: Bytes | null = null;
  /** Under which the other side wants frames; 0: not known. */
  private number = 0;
  private over = false;

  /** Greets at once, unless it answers. */
  constructor(private readonly o: WireOptions) {
    this.messages = new Messages({
      handshake: (b) => this.greeted(o, b),
      extendedHandshake: (b) => this.extendedTo(b),
      frame: (b) => this.frame(b),
    });
    this.timer = setInterval(() => this.look(), lookMs);
    if (!o.answering) this.out.add(handshake(o));
  }

  /** Takes in bytes, in order and in any parts. They are not kept. */
  receive(bytes: Uint8Array): void {
    if (this.over) return;
    this.heard = performance.now();
    try {
      this.messages.receive(bytes);
    } catch (e) {
      this.end(e instanceof Error ? e.message : String(e));
    }
  }

  /** Sends a frame of at most 65,000 bytes, once open; before, and after the end, it does nothing. The frame must not be changed before the turn is over. */
  send(frame: Uint8Array): void {
    if (this.over || this.number === 0) return;
    if (frame.length > maxFrame) throw new Error(`a frame of ${frame.length} bytes is too long to be sent`);
    this.out.add(header(frame.length, this.number), frame);
  }

  /** Hands out what was sent, and ends without a word. */
  close(): void {
    if (this.over) return;
    this.out.flush();
    this.stop();
  }

  private greeted(ours: Handshake, bytes: Bytes): void {
    this.theirs = readHandshake(bytes, ours);
    if (this.o.answering) this.out.add(handshake(ours));
    const said = extendedHandshake();
    this.out.add(header(said.length, extendedHandshakeNumber), said);
  }

  private extendedTo(bytes: Bytes): void {
    // It may be said again, of other extensions; the number of this one stays.
    if (this.number !== 0) return;
    const said = readExtendedHandshake(bytes);
    if (said.number === null) return;
    this.number = said.number;
    this.o.on.open(this.theirs!, said.port);
  }

  private frame(bytes: Bytes): void {
    if (this.number === 0) throw new Error("a frame came before the extended handshake");
    this.o.on.frame(bytes);
  }

  private write(b: Bytes): void {
    this.spoke = performance.now();
    this.o.on.bytes(b);
  }

  private look(): void {
    const now = performance.now();
    if (this.number === 0 && now - this.began > handshakeMs) this.end("it does not speak sh_live");
    else if (now - this.heard > silenceMs) this.end(`nothing came for ${silenceMs / 1_000} s`);
    // BEP 3: a message of length 0 keeps the connection alive.
    else if (now - this.spoke > heartbeatMs - lookMs) this.out.add(new Uint8Array(4));
  }

  private end(why: string): void {
    if (this.over) return;
    this.stop();
    this.o.on.end(why);
  }

  private stop(): void {
    this.over = true;
    this.messages.stop();
    this.out.stop();
    clearInterval(this.timer);
  }
}

/** The 6 bytes before what an extended message carries. */
function header(length: number, number: number): Bytes {
  const h = new Uint8Array(6);
  new DataView(h.buffer).setUint32(0, length + 2);
  h[4] = extended;
  h[5] = number;
  return h;
}

/** Joins what is added within one turn into few buffers. */
class Batch {
  private parts: Uint8Array[] = [];
  private size = 0;
  private waiting = false;

  constructor(
    private readonly most: number,
    private readonly write: (b: Bytes) => void,
  ) {}

  add(...parts: Uint8Array[]): void {
    for (const p of parts) {
      this.parts.push(p);
      this.size += p.length;
    }
    if (this.size >= this.most) {
      this.flush();
    } else if (!this.waiting) {
      this.waiting = true;
      queueMicrotask(() => {
        this.waiting = false;
        this.flush();
      });
    }
  }

  flush(): void {
    if (this.size === 0) return;
    const out = new Uint8Array(this.size);
    let at = 0;
    for (const p of this.parts) {
      out.set(p, at);
      at += p.length;
    }
    this.parts = [];
    this.size = 0;
    this.write(out);
  }

  stop(): void {
    this.parts = [];
    this.size = 0;
  }
}
