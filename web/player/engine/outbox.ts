// What the engine has for the page, told in one message a turn: a message for each block would cost more than
// the block does.
import type { Bytes } from "../bytes.ts";
import type { Conn } from "../swarm/effects.ts";
import { type Event, own } from "./protocol.ts";

/** Bytes of one message of a data channel. */
const maxMessage = 16 << 10;

export class Outbox {
  private events: Event[] = [];
  private readonly sends = new Map<Conn, Bytes[]>();

  /** Lines up an event. What goes to one connection keeps its order, and goes before that is closed. */
  add(e: Event): void {
    if (e.is === "send") {
      const chunks = this.sends.get(e.conn);
      if (chunks) chunks.push(e.bytes);
      else this.sends.set(e.conn, [e.bytes]);
      return;
    }
    if (e.is === "close") this.join(e.conn);
    this.events.push("bytes" in e ? { ...e, bytes: own(e.bytes) } : e);
  }

  /** Hands over what is lined up, in buffers of its own. */
  take(): Event[] {
    for (const conn of this.sends.keys()) this.join(conn);
    const { events } = this;
    this.events = [];
    return events;
  }

  /** Puts what goes to one connection into as few messages as it fits in. */
  private join(conn: Conn): void {
    const chunks = this.sends.get(conn) ?? [];
    this.sends.delete(conn);
    let left = chunks.reduce((all, c) => all + c.length, 0);
    let [message, at]: [Bytes, number] = [new Uint8Array(Math.min(left, maxMessage)), 0];
    for (let chunk of chunks) {
      while (chunk.length > 0) {
        const part = chunk.subarray(0, message.length - at);
        message.set(part, at);
        at += part.length;
        chunk = chunk.subarray(part.length);
        if (at < message.length) continue;
        this.events.push({ is: "send", conn, bytes: message });
        left -= at;
        [message, at] = [new Uint8Array(Math.min(left, maxMessage)), 0];
      }
    }
  }
}
