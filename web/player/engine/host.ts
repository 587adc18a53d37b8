// The engine's side of the protocol: commands in, events out, in a worker or in the page.
import { Trust } from "../trust.ts";
import { Loop } from "./loop.ts";
import type { Begin, Command, Event } from "./protocol.ts";
import type { MakeWire } from "./wires.ts";

/** Commands that wait while the stream's genesis is checked. */
const mostWaiting = 4096;

/** One stream's engine, until it is told to end or fails. */
export class Host {
  private loop: Loop | null = null;
  private begun = false;
  private over = false;
  private waiting: Command[] = [];

  /** `tell` is given events a turn at a time; it may hand their buffers over. */
  constructor(
    private readonly makeWire: MakeWire,
    private readonly tell: (events: Event[]) => void,
  ) {}

  take(commands: readonly Command[]): void {
    for (const c of commands) {
      if (this.over) return;
      if (c.do === "begin") void this.begin(c.with);
      else if (this.loop) this.guard(() => this.run(this.loop!, c));
      else if (this.waiting.length < mostWaiting) this.waiting.push(c);
    }
  }

  /** Ends it at once, without a word. */
  end(): void {
    this.over = true;
    this.loop?.abort();
  }

  private async begin(b: Begin): Promise<void> {
    if (this.begun) return;
    this.begun = true;
    try {
      const trust = await Trust.begin(b.genesis);
      if (trust.id !== b.stream) throw new Error("the genesis is another stream's");
      const loop = new Loop({ begin: b, trust, makeWire: this.makeWire, tell: this.tell, fail: (e) => this.fail(e) });
      this.tell([{ is: "ready", id: loop.id }]);
      this.loop = loop;
      this.take(this.waiting.splice(0));
    } catch (e) {
      this.fail(e);
    }
  }

  private run(l: Loop, c: Exclude<Command, { do: "begin" }>): void {
    switch (c.do) {
      case "opened":
        return l.opened(c.conn, c.initiator);
      case "data":
        return l.data(c.conn, c.bytes);
      case "closed":
        return l.closed(c.conn);
      case "play":
        return l.play(c.r, c.epoch, c.pts, c.at);
      case "follow":
        return l.follow(c.r, c.from);
      case "want":
        return l.want(c.r, c.on);
      case "asking":
        return l.askingFor(c.piece, c.on);
      case "piece":
        return void l.piece(c.envelope, c.bytes).catch((e: unknown) => this.fail(e));
      case "init":
        return l.init(c.root, c.bytes);
      case "record":
        return l.record(c.envelope);
      case "setUp":
        return l.setUp(c.bits);
      case "setSwarm":
        return l.setSwarm(c.peers);
      case "relay":
        return l.relay(c.to, c.body);
      case "drain":
        return l.drain();
      case "end":
        return l.end();
    }
  }

  private guard(fn: () => void): void {
    try {
      fn();
    } catch (e) {
      this.fail(e);
    }
  }

  /** Whatever fails in here is a fault of ours: the page goes on without the swarm. */
  private fail(e: unknown): void {
    if (this.over) return;
    this.end();
    this.tell([{ is: "trouble", sentence: `The swarm cannot go on: ${(e as Error).message}. Video comes from the server alone.` }]);
  }
}
