// A WebTorrent tracker: it keeps who announces what, gives offers to others by turns, and passes answers back.
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

/** What peers and trackers say to each other; ids are text of 20 characters. */
export type Message = { [key: string]: unknown; offers?: { offer_id: string; offer: unknown }[] };

export class TestTracker {
  /** All that peers said, in order. */
  readonly heard: Message[] = [];
  /** What each announce is answered; null: nothing. */
  answer: (m: Message) => object | null = () => ({ interval: 120 });
  connections = 0;
  private readonly swarms = new Map<string, Map<string, WebSocket>>();

  private constructor(private readonly server: WebSocketServer) {
    server.on("connection", (socket) => {
      this.connections++;
      socket.on("message", (data) => this.take(socket, JSON.parse(String(data)) as Message));
      socket.on("close", () => this.forget(socket));
    });
  }

  static start(port = 0): Promise<TestTracker> {
    return new Promise((resolve) => {
      const server = new WebSocketServer({ port, host: "127.0.0.1" });
      server.on("listening", () => resolve(new TestTracker(server)));
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/announce`;
  }

  /** Says something to all that are connected. */
  say(message: object | string): void {
    for (const c of this.server.clients) c.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Ends all connections; more can be made. */
  cut(): void {
    for (const c of this.server.clients) c.terminate();
  }

  stop(): Promise<void> {
    this.cut();
    return new Promise((r) => this.server.close(() => r()));
  }

  private take(socket: WebSocket, m: Message): void {
    this.heard.push(m);
    const hash = m["info_hash"] as string;
    const id = m["peer_id"] as string;
    const swarm = this.swarms.get(hash) ?? new Map<string, WebSocket>();
    this.swarms.set(hash, swarm);
    const base = { action: "announce", info_hash: hash };
    if (m["answer"]) {
      swarm.get(m["to_peer_id"] as string)?.send(JSON.stringify({ ...base, peer_id: id, offer_id: m["offer_id"], answer: m["answer"] }));
      return;
    }
    swarm.set(id, socket);
    if (m["event"] === "stopped") this.forget(socket);
    const said = this.answer(m);
    if (said) socket.send(JSON.stringify({ ...base, complete: 0, incomplete: swarm.size, ...said }));
    const others = [...swarm.entries()].filter(([o]) => o !== id);
    for (const [i, o] of (m.offers ?? []).entries()) others[i]?.[1].send(JSON.stringify({ ...base, peer_id: id, ...o }));
  }

  private forget(socket: WebSocket): void {
    for (const swarm of this.swarms.values()) for (const [id, s] of swarm) if (s === socket) swarm.delete(id);
  }
}
