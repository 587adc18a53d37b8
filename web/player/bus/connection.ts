// One connection to NATS, over a WebSocket (RFC 6455) whose binary messages carry the client protocol.
import type { Bytes } from "../bytes.ts";
import { connect, ping, pong, publish, Reader, subscribe, unsubscribe } from "./protocol.ts";

export interface ConnectionEvents {
  /** The server took the token. */
  open(): void;
  message(subject: string, data: Bytes): void;
  /** Once: it ended, or never was. */
  closed(why: string): void;
}

const connectMs = 5_000;
const pingMs = 30_000; // a server that does not answer one before the next is gone

export class Connection {
  private readonly socket: WebSocket;
  private readonly reader = new Reader();
  private timer: ReturnType<typeof setTimeout>;
  private opened = false;
  private over = false;
  private unanswered = false;
  private sid = 0;

  constructor(
    url: string,
    private readonly jwt: string,
    private readonly on: ConnectionEvents,
  ) {
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (e) => this.receive(e.data);
    this.socket.onclose = () => this.end("the connection ended");
    this.timer = setTimeout(() => this.end("the server does not answer"), connectMs);
  }

  /** Subscribes to a subject; messages come to `message` until unsubscribe is called with the number. */
  subscribe(subject: string): number {
    this.send(subscribe(subject, ++this.sid));
    return this.sid;
  }

  unsubscribe(sid: number): void {
    this.send(unsubscribe(sid));
  }

  publish(subject: string, reply: string, payload: Bytes): void {
    this.send(publish(subject, reply, payload));
  }

  close(): void {
    this.end("closed");
  }

  private receive(data: unknown): void {
    if (this.over) return;
    try {
      if (!(data instanceof ArrayBuffer)) throw new Error("text, where bytes were to come");
      for (const said of this.reader.read(new Uint8Array(data))) {
        if (said.op === "info") this.greet();
        else if (said.op === "ping") this.send(pong);
        else if (said.op === "pong") this.answered();
        else if (said.op === "msg") this.on.message(said.subject, said.data);
        else throw new Error(said.why);
      }
    } catch (e) {
      this.end((e as Error).message);
    }
  }

  /** The server introduced itself, as it also does when something changes. */
  private greet(): void {
    if (this.opened) return;
    this.send(connect(this.jwt));
    this.send(ping);
  }

  private answered(): void {
    this.unanswered = false;
    if (this.opened) return;
    this.opened = true;
    clearTimeout(this.timer);
    this.timer = setInterval(() => this.check(), pingMs);
    this.on.open();
  }

  private check(): void {
    if (this.unanswered) return this.end("the server does not answer");
    this.unanswered = true;
    this.send(ping);
  }

  private send(bytes: Bytes): void {
    if (!this.over && this.socket.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  private end(why: string): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    this.socket.close();
    this.on.closed(why);
  }
}
