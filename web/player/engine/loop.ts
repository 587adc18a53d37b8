// Runs one node of the swarm: frames and moments in, what it wants done out. Neither timers' clamping nor a machine
// that slept confuse it: the node is told the time as it is. No DOM: it runs in a worker, in a page and in tests.
import type { Bytes } from "../bytes.ts";
import { hex } from "../bytes.ts";
import { type Position, timescale } from "../documents.ts";
import { type Envelope, envelopeJson } from "../dsse.ts";
import { sha256Now } from "../hashing.ts";
import { leavesOf } from "../merkle.ts";
import { Malformed } from "../swarm/codec.ts";
import { Decoder } from "../swarm/codec_decode.ts";
import { Encoder } from "../swarm/codec_encode.ts";
import { type Conn, type Effects, type Fetch, sources } from "../swarm/effects.ts";
import { Intake } from "../swarm/intake.ts";
import { allLanes } from "../swarm/masks.ts";
import { bans, envelopeOf, type Head, join, type Key, keyOf, type Message, type OpenHead, type PeerId, type Reason, reasons } from "../swarm/messages.ts";
import { Node } from "../swarm/node.ts";
import { millisecond, type Time } from "../swarm/time.ts";
import { defaultTuning } from "../swarm/tuning.ts";
import { Trusted } from "../swarm/verify.ts";
import { liveWindow } from "../swarm/window.ts";
import type { Trust } from "../trust.ts";
import { type Answer, Fetches } from "./fetches.ts";
import { Measures } from "./measures.ts";
import { Outbox } from "./outbox.ts";
import type { Begin, BySource, Event, Warm } from "./protocol.ts";
import { Warmth } from "./warm.ts";
import type { MakeWire, Wire } from "./wires.ts";

/** Connections at most: as many as a node takes in. */
const maxLinks = 2 * defaultTuning.MaxConns;
/** In which a channel's other end must speak the protocol. */
const openMs = 10_000;
/** Pieces of the page's whose hashes are being made. */
const mostHashing = 32;
/** Pieces that the page says it asks the origin for. */
const mostAsking = 64;
const statsMs = 1_000;
/** How long one that leaves goes on, so that its children find others. */
const drainMs = 300;
const defaultBytes = 48 << 20;

/** One connection: the wire and codec of it, and when it began. */
export interface Link {
  wire: Wire;
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  readonly since: number; // ms
  open: boolean;
  down: number; // bytes that the channel carried
  up: number;
}

export interface LoopOptions {
  begin: Begin;
  trust: Trust;
  makeWire: MakeWire;
  /** Takes what the page is to be told, a turn's at a time. Buffers are its own. */
  tell: (events: Event[]) => void;
  /** Takes what only a fault of this program throws; the loop has stopped then. */
  fail: (e: unknown) => void;
  fetch?: typeof fetch;
}

/** Milliseconds of this worker's own: after a sleep, a worker's and a page's monotonic clocks may differ. */
export function clock(): number {
  return performance.timeOrigin + performance.now();
}

export class Loop {
  /** This peer's name in the swarm. */
  readonly id: PeerId;
  private readonly node: Node;
  private readonly verifier: Trusted;
  private readonly intake: Intake<Conn>;
  private readonly fetches: Fetches;
  private readonly links = new Map<Conn, Link>();
  private readonly outbox = new Outbox();
  private readonly measures = new Measures();
  private readonly warmths = new Map<string, { warmth: Warmth; told: Warm | null }>(); // by rendition, of those wanted
  private readonly asking = new Set<string>();
  private readonly began = clock();
  private last: Time = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private settling = false;
  private handing = false;
  private statsAt: number;
  private hashing = 0;
  private records: Promise<void> = Promise.resolve();
  private endsAt = Number.POSITIVE_INFINITY;
  private ended = false;

  constructor(private readonly o: LoopOptions) {
    const b = o.begin;
    this.id = hex(random(12)) + hex(b.peerId.subarray(-4)); // trackers know of whom reports speak
    const bytes = Math.floor((b.maxBytes ?? defaultBytes) / (Math.max(b.wants.length, 1) + 1)); // what was left is kept beside what is wanted
    const media = b.windowMs === undefined ? liveWindow.media : (b.windowMs / 1000) * timescale;
    this.verifier = new Trusted(o.trust);
    this.node = new Node({
      ...{ stream: b.stream, id: this.id, role: "viewer", verifier: this.verifier, wants: b.wants, up: b.up, noOrigin: !b.origin },
      ...{ others: b.others ?? [], keeps: { ...liveWindow, media, bytes }, random: new DataView(random(4).buffer).getUint32(0) },
    });
    this.intake = new Intake(
      (m) => this.verifier.prepare(m),
      (c, m) => this.guard(() => this.take(c, m)),
    );
    this.fetches = new Fetches({
      base: new URL(`live/${b.name}/`, b.base),
      now: clock,
      lacks: (f) => !this.asking.has(nameOf(keyOf(f.head.entry))),
      answer: (f, a) => this.guard(() => this.answer(f, a)),
      ...(o.fetch ? { fetch: o.fetch } : {}),
    });
    for (const r of b.wants) this.warmths.set(r, { warmth: new Warmth(), told: null });
    this.statsAt = this.began + statsMs;
    for (const e of b.records) this.record(e);
    this.soon();
  }

  /** Takes in an open channel. */
  opened(conn: Conn, initiator: boolean): void {
    if (this.links.has(conn)) return;
    if (this.links.size >= maxLinks || this.ended) {
      this.close(conn, "there are connections enough", false);
      return;
    }
    const link = { encoder: new Encoder(), decoder: new Decoder(), since: clock(), open: false, down: 0, up: 0 } as Omit<Link, "wire"> as Link;
    this.links.set(conn, link);
    link.wire = this.o.makeWire({
      ...{ infohash: this.o.begin.infohash, peerId: this.o.begin.peerId, answering: !initiator },
      on: {
        bytes: (bytes) => {
          link.up += bytes.length;
          this.add({ is: "send", conn, bytes });
        },
        open: () => {
          if (link.open || this.links.get(conn) !== link) return;
          link.open = true;
          this.node.connected(this.now(), conn, { address: null, outbound: initiator });
          this.soon();
        },
        frame: (b) => this.frame(conn, link, b),
        end: (why) => this.lose(conn, why),
      },
    });
  }

  /** Takes in bytes of a channel, in order. */
  data(conn: Conn, bytes: Bytes): void {
    const link = this.links.get(conn);
    if (!link) return;
    link.down += bytes.length;
    try {
      link.wire.receive(bytes);
    } catch (e) {
      this.lose(conn, `what came is no message: ${(e as Error).message}`);
    }
  }

  /** Takes note that a channel is gone. */
  closed(conn: Conn): void {
    const link = this.links.get(conn);
    if (!link) return;
    this.forget(conn, link);
    this.node.closed(this.now(), conn);
    this.soon();
  }

  /** Tells that the media at pts is played at a moment (Date.now()). */
  play(r: string, epoch: number, pts: number, at: number): void {
    this.node.play(this.now(), r, epoch, pts, this.timeOf(clock() + at - Date.now()));
    this.soon();
  }

  follow(r: string, from: Position): void {
    this.node.follow(this.now(), r, from);
    this.soon();
  }

  /** Begins or ends receiving a rendition. */
  want(r: string, on: boolean): void {
    if (this.node.want(this.now(), r, on)) this.warmths.set(r, this.warmths.get(r) ?? { warmth: new Warmth(), told: null });
    else this.warmths.delete(r);
    this.soon();
  }

  /** Takes note that the page asks the origin for a piece by itself, or does so no longer. */
  askingFor(piece: Key, on: boolean): void {
    const name = nameOf(piece);
    this.asking.delete(name);
    if (on) this.asking.add(name);
    if (this.asking.size > mostAsking) this.asking.delete(this.asking.values().next().value!);
  }

  /** Takes in a piece that came from the origin, and gives it on once it is found genuine. */
  async piece(envelope: Envelope, bytes: Bytes): Promise<void> {
    if (this.hashing >= mostHashing) return;
    this.hashing++;
    try {
      await this.records; // by which it is judged
      const h: Head = { type: "Head", payload: envelope.payload, sig: envelope.sig, keyId: envelope.keyId, leaves: await leavesOf(bytes) };
      await this.verifier.prepare(h);
      if (!this.ended) this.guard(() => this.keep(h, bytes));
    } finally {
      this.hashing--;
    }
  }

  init(root: string, bytes: Bytes): void {
    if (this.verifier.init(root, bytes)) this.node.addInit(root, bytes);
  }

  /** Takes in a record from elsewhere, after those before it. */
  record(e: Envelope): void {
    const json = envelopeJson(e);
    this.records = this.records.then(async () => {
      await this.verifier.prepare({ type: "Records", envelopes: [json] });
      if (!this.ended) this.guard(() => this.node.addRecord(this.now(), json));
      this.soon();
    });
  }

  setUp(bits: number): void {
    this.node.setUp(this.now(), bits);
    this.soon();
  }

  setSwarm(peers: number): void {
    this.node.setSwarm(peers);
  }

  relay(to: PeerId, body: Bytes): void {
    this.node.relay(this.now(), to, body);
    this.soon();
  }

  drain(): void {
    this.node.drain();
    this.soon();
  }

  /** Leaves: children are sent elsewhere, and a moment later the connections are closed. */
  end(): void {
    if (this.ended || this.endsAt < Number.POSITIVE_INFINITY) return;
    this.drain();
    this.endsAt = clock() + (this.node.stats().children > 0 ? drainMs : 0);
  }

  /** Stops without a word. */
  abort(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.fetches.end();
    for (const link of this.links.values()) link.wire.close();
    this.links.clear();
  }

  private guard(fn: () => void): void {
    try {
      fn();
    } catch (e) {
      this.abort();
      this.o.fail(e);
    }
  }

  /** What the page is told, with the rest of the turn. */
  private add(e: Event): void {
    this.outbox.add(e);
    if (!this.settling) this.handOver();
  }

  /** Has the page told at the very end of the turn, after the wires have written what they were given in it. */
  private handOver(): void {
    if (this.handing) return;
    this.handing = true;
    queueMicrotask(() => {
      this.handing = false;
      const events = this.outbox.take();
      if (events.length > 0) this.o.tell(events);
    });
  }

  /** Has what follows from this turn done at its end. */
  private soon(): void {
    if (this.settling || this.ended) return;
    this.settling = true;
    queueMicrotask(() => {
      if (!this.ended) this.guard(() => this.settle());
      this.settling = false;
    });
  }

  private settle(): void {
    const at = clock();
    if (this.node.wake() <= this.now()) this.node.tick(this.now());
    this.carryOut(null);
    if (at >= this.statsAt) this.second(at);
    this.look(at);
    if (at >= this.endsAt) this.stop();
    else this.arm(at);
    this.handOver();
  }

  /** Sets the timer for what is due by time alone; never sooner than in 1 ms. */
  private arm(at: number): void {
    clearTimeout(this.timer);
    let due = Math.min(this.began + this.node.wake() / millisecond, this.statsAt, this.endsAt);
    for (const { warmth } of this.warmths.values()) due = Math.min(due, warmth.turnsAt ?? due);
    this.timer = setTimeout(() => this.soon(), Math.max(1, Math.ceil(due - at)));
  }

  /** The node's time, which never goes back. */
  private now(): Time {
    this.last = Math.max(this.last, this.timeOf(clock()));
    return this.last;
  }

  private timeOf(ms: number): Time {
    return Math.round((ms - this.began) * millisecond);
  }

  private frame(conn: Conn, link: Link, frame: Bytes): void {
    if (this.links.get(conn) !== link || !link.open || frame.length === 0) return;
    let m: Message | null;
    try {
      m = link.decoder.decode(frame);
    } catch (e) {
      if (!(e instanceof Malformed)) throw e;
      this.lose(conn, `what came is no message: ${e.message}`);
      return;
    }
    if (!m) this.node.ignored(this.now(), conn);
    else if (!this.intake.receive(conn, m, frame.length)) this.lose(conn, "more came than can be judged");
    this.soon();
  }

  /** Hands a message to the node. */
  private take(conn: Conn, m: Message): void {
    if (this.ended) return;
    this.node.receive(this.now(), conn, m);
    if (m.type === "Head" && m.entry) this.warmths.get(m.entry.r)?.warmth.head(clock(), m.entry, false);
    this.soon();
  }

  /** Does what the node wants. Heads and the piece of `own` are the page's already. */
  private carryOut(own: Key | null): void {
    const e: Effects = this.node.effects();
    const others = (k: Key) => !own || nameOf(k) !== nameOf(own);
    for (const { to, message } of e.send) this.send(to, message);
    for (const { entry, ...h } of e.heads) {
      this.measures.heads++;
      if (!others(entry)) continue;
      const payload = h.payload.slice(); // the frame that it came in is not to be cloned with it
      const envelope = { ...envelopeOf(h), payload, sig: h.sig.slice() };
      const freshMs = this.o.trust.sessionAt(entry)?.session.freshMs ?? 0;
      this.add({ is: "head", entry: { ...entry, root: entry.root?.slice() ?? null }, digest: hex(sha256Now(payload)), envelope, freshMs });
    }
    for (const bytes of e.records) this.add({ is: "record", envelope: bytes.slice() });
    for (const { root, data } of e.inits) this.add({ is: "init", root, bytes: data.slice() });
    for (const p of e.pieces) {
      const { entry } = p.head;
      this.measures.pieces++;
      this.warmths.get(entry.r)?.warmth.piece(p.bytes[sources.origin] === 0);
      if (others(entry)) this.add({ is: "piece", key: keyOf(entry), bytes: join(p.blocks), by: bySource(p.bytes), duplicate: p.duplicate, rejected: p.rejected });
    }
    for (const f of e.fetch) this.fetches.ask(f);
    for (const hint of e.dial) this.add({ is: "dial", hint });
    for (const { from, body } of e.signals) this.add({ is: "signal", from, body: body.slice() });
    for (const { conn, reason } of e.drop) {
      const link = this.links.get(conn);
      if (!link) continue;
      this.forget(conn, link);
      this.close(conn, nameOfReason(reason), bans(reason));
    }
    for (const fork of this.verifier.forks()) this.add({ is: "fork", fork });
  }

  private send(conn: Conn, m: Message): void {
    const link = this.links.get(conn);
    if (link) for (const frame of link.encoder.encode(m)) link.wire.send(frame);
  }

  /** Ends a connection whose other end is of no use, without a ban. */
  private lose(conn: Conn, why: string): void {
    const link = this.links.get(conn);
    if (!link) return;
    this.forget(conn, link);
    this.close(conn, why, false);
    this.node.closed(this.now(), conn);
    this.soon();
  }

  private close(conn: Conn, why: string, ban: boolean): void {
    this.add({ is: "close", conn, why, ban });
  }

  private forget(conn: Conn, link: Link): void {
    this.links.delete(conn);
    this.intake.closed(conn);
    link.wire?.close();
  }

  /** Gives on what the page has, if it is genuine and of a rendition that is received. */
  private keep(h: Head, bytes: Bytes): void {
    if (this.verifier.openHead(h) !== "genuine" || !h.entry || !this.node.wants(h.entry.r)) return;
    const open = h as OpenHead;
    this.carryOut(null);
    this.warmths.get(open.entry.r)?.warmth.head(clock(), open.entry, true);
    this.node.add(this.now(), open, bytes, sources.origin);
    this.carryOut(open.entry);
    this.soon();
  }

  /** Hands on what the origin answered; verifying is the node's. */
  private answer(f: Fetch, a: Answer): void {
    const key = keyOf(f.head.entry);
    if (typeof a === "string") {
      this.node.fetchFailed(this.now(), key);
      if (a === "gone") this.add({ is: "refused", key, why: "gone" });
    } else {
      const { rejected } = this.node.figures;
      this.node.fetched(this.now(), key, f.first, a);
      if (this.node.figures.rejected > rejected) {
        this.fetches.wasFalse(f);
        this.add({ is: "refused", key, why: "false" });
      }
    }
    this.soon();
  }

  /** Tells how far each rendition's next piece can be left to the swarm, where that is new. */
  private look(at: number): void {
    for (const [r, w] of this.warmths) {
      const parents = this.node.parents(r);
      const now: Warm = { r, warm: w.warmth.look(at, parents === allLanes), expected: w.warmth.expected, parents };
      if (w.told && w.told.warm === now.warm && w.told.expected === now.expected && w.told.parents === parents) continue;
      w.told = now;
      this.add({ is: "warm", warm: now });
    }
  }

  /** What is done each second. */
  private second(at: number): void {
    for (const [conn, link] of this.links) if (!link.open && at - link.since > openMs) this.lose(conn, "the other end did not introduce itself");
    this.add({ is: "stats", figures: this.measures.take(at, this.node, this.links) });
    this.statsAt = at + statsMs;
  }

  private stop(): void {
    for (const [conn, link] of this.links) {
      this.forget(conn, link);
      this.close(conn, "leaving the swarm", false);
    }
    this.add({ is: "ended" });
    this.abort();
  }
}

function random(size: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(size));
}

function nameOf(k: Key): string {
  return `${k.r}/${k.epoch}/${k.n}`;
}

function nameOfReason(r: Reason): string {
  return Object.entries(reasons).find(([, v]) => v === r)?.[0] ?? "";
}

export function bySource(bytes: readonly number[]): BySource {
  return { peer: bytes[sources.peer]!, seed: bytes[sources.seed]!, edge: bytes[sources.edge]!, origin: bytes[sources.origin]! };
}
