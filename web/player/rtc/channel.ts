// A data channel as a stream of bytes: where one message ends means nothing.
import type { Bytes } from "../bytes.ts";

/** The longest message that is sent: all implementations take it in one piece. */
const sendMost = 16 << 10;
/** The longest that is taken. */
const receiveMost = 64 << 10;
/** What may wait to be sent; one that would exceed it does not keep up. */
const queueMost = 2 << 20;

export interface ChannelEvents {
  open(): void;
  data(b: Bytes): void;
  /** It is of no more use, and closed. */
  closed(why: string): void;
}

export class Channel {
  private parts: Uint8Array[] = [];
  private waiting = 0;
  private over = false;

  constructor(
    private readonly channel: RTCDataChannel,
    private readonly on: ChannelEvents,
  ) {
    channel.binaryType = "arraybuffer";
    channel.onopen = () => this.on.open();
    channel.onclose = () => this.end("the other side closed it");
    channel.onerror = () => this.end("the channel failed");
    channel.onmessage = (e: MessageEvent<unknown>) => this.receive(e.data);
    if (channel.readyState === "open") queueMicrotask(() => !this.over && this.on.open());
  }

  /** Sends bytes, which must not be changed before the turn is over. False: more waits than may; the channel is closed. */
  send(b: Uint8Array): boolean {
    if (this.over || this.channel.readyState !== "open") return false;
    if (this.channel.bufferedAmount + this.waiting + b.length > queueMost) {
      this.end("the peer does not take what is sent to it");
      return false;
    }
    this.parts.push(b);
    this.waiting += b.length;
    if (this.parts.length === 1) queueMicrotask(() => this.flush());
    return true;
  }

  /** Hands the browser what waits, and closes; what the browser has is still sent. */
  close(): void {
    this.flush();
    this.stop();
  }

  private receive(data: unknown): void {
    if (this.over) return;
    if (!(data instanceof ArrayBuffer) || data.byteLength > receiveMost) this.end("a message is longer than it may be, or text");
    else this.on.data(new Uint8Array(data));
  }

  /** Sends what one turn gave, few and full messages. The browser copies what it is handed, so one buffer serves all. */
  private flush(): void {
    const parts = this.parts;
    this.parts = [];
    this.waiting = 0;
    if (this.over || this.channel.readyState !== "open") return;
    let filled = 0;
    const out = (b: Uint8Array) => this.channel.send(b as Bytes);
    try {
      for (const p of parts) {
        for (let at = 0; at < p.length; ) {
          const n = Math.min(p.length - at, sendMost - filled);
          if (n === sendMost) {
            out(p.subarray(at, at + n)); // a full message needs no copy
          } else {
            staging.set(p.subarray(at, at + n), filled);
            filled += n;
            if (filled === sendMost) {
              out(staging);
              filled = 0;
            }
          }
          at += n;
        }
      }
      if (filled > 0) out(staging.subarray(0, filled));
    } catch {
      this.end("the channel takes no more");
    }
  }

  private end(why: string): void {
    if (this.over) return;
    this.stop();
    this.on.closed(why);
  }

  private stop(): void {
    this.over = true;
    this.parts = [];
    this.channel.onopen = this.channel.onclose = this.channel.onerror = this.channel.onmessage = null;
    this.channel.close();
  }
}

const staging = new Uint8Array(sendMost);
