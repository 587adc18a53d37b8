// Engines connected back to back, with everything real between them but the wire's handshake: frames, signatures,
// blocks, timers. Time is the test's, so that nothing is waited for. Tests only.
import { vi } from "vitest";
import { type Bytes, concat, equal } from "../../player/bytes.ts";
import { envelopeFrom } from "../../player/dsse.ts";
import { Loop } from "../../player/engine/loop.ts";
import type { Begin, Event } from "../../player/engine/protocol.ts";
import type { MakeWire, Wire, WireOptions } from "../../player/engine/wires.ts";
import { Decoder } from "../../player/swarm/codec_decode.ts";
import { Encoder } from "../../player/swarm/codec_encode.ts";
import { type Conn, sources } from "../../player/swarm/effects.ts";
import { maxFrame, type Message } from "../../player/swarm/messages.ts";
import { Node } from "../../player/swarm/node.ts";
import { Random } from "../../player/swarm/random.ts";
import { millisecond } from "../../player/swarm/time.ts";
import { Trust } from "../../player/trust.ts";
import { Author, epoch } from "../swarm/mesh.ts";

const immediately = setImmediate;

/** Length and frame, as bytes of a stream; the first frame is a handshake. */
export class FakeWire implements Wire {
  private rest: Bytes = new Uint8Array(0);
  private greeted = false;
  private closed = false;

  constructor(private readonly o: WireOptions) {
    this.send(o.infohash);
  }

  receive(b: Bytes): void {
    this.rest = concat(this.rest, b);
    while (!this.closed && this.rest.length >= 4) {
      const size = new DataView(this.rest.buffer, this.rest.byteOffset).getUint32(0);
      if (size > maxFrame) return this.o.on.end("a frame that is too long");
      if (this.rest.length < 4 + size) return;
      const frame = this.rest.slice(4, 4 + size);
      this.rest = this.rest.subarray(4 + size);
      if (this.greeted) this.o.on.frame(frame);
      else if (!equal(frame, this.o.infohash)) return this.o.on.end("another torrent");
      else this.o.on.open(new Uint8Array(20), null);
      this.greeted = true;
    }
  }

  send(frame: Bytes): void {
    if (this.closed) return;
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, frame.length);
    this.o.on.bytes(concat(head, frame));
  }

  close(): void {
    this.closed = true;
  }
}

export const fakeWire: MakeWire = (o) => new FakeWire(o);

/** One end of a connection in the world. */
interface Port {
  opened(conn: Conn, initiator: boolean): void;
  data(conn: Conn, bytes: Bytes): void;
  closed(conn: Conn): void;
}

type Events<Is extends Event["is"]> = Extract<Event, { is: Is }>;

/** An engine, and what it told its page. */
export class Seat implements Port {
  readonly loop: Loop;
  readonly events: Event[] = [];
  failed: unknown = null;
  turns = 0; // in which it told anything

  constructor(
    private readonly world: World,
    begin: Begin,
    trust: Trust,
    fetch: typeof globalThis.fetch,
  ) {
    this.loop = new Loop({ begin, trust, makeWire: fakeWire, fetch, tell: (events) => this.tell(events), fail: (e) => (this.failed = e) });
  }

  all<Is extends Event["is"]>(is: Is): Events<Is>[] {
    return this.events.filter((e): e is Events<Is> => e.is === is);
  }

  last<Is extends Event["is"]>(is: Is): Events<Is> | undefined {
    return this.all(is).at(-1);
  }

  /** The bytes that the page was given of a piece. */
  piece(n: number, r = "v0"): Bytes | undefined {
    return this.all("piece").find((p) => p.key.r === r && p.key.n === n)?.bytes;
  }

  opened(conn: Conn, initiator: boolean): void {
    this.loop.opened(conn, initiator);
  }

  data(conn: Conn, bytes: Bytes): void {
    this.loop.data(conn, bytes);
  }

  closed(conn: Conn): void {
    this.loop.closed(conn);
  }

  private tell(events: Event[]): void {
    this.turns++;
    for (const e of events) {
      this.events.push(e);
      if (e.is === "send") this.world.carry(this, e.conn, e.bytes);
      if (e.is === "close") this.world.cut(this, e.conn);
    }
  }
}

/** Somebody a test speaks for: what comes is kept, and frames are sent as they are. */
export class Stranger implements Port {
  readonly got: Message[] = [];
  gone = false;
  private wire!: Wire;
  private readonly encoder = new Encoder();
  private readonly decoder = new Decoder();

  constructor(
    private readonly world: World,
    private readonly infohash: Bytes,
    private readonly onOpen: (s: Stranger) => void,
  ) {}

  opened(conn: Conn): void {
    this.wire = fakeWire({
      ...{ infohash: this.infohash, peerId: crypto.getRandomValues(new Uint8Array(20)) },
      on: {
        bytes: (b) => this.world.carry(this, conn, b),
        open: () => this.onOpen(this),
        frame: (b) => {
          const m = this.decoder.decode(b);
          if (m) this.got.push(m);
        },
        end: () => (this.gone = true),
      },
    });
  }

  data(_: Conn, bytes: Bytes): void {
    this.wire.receive(bytes);
  }

  closed(): void {
    this.gone = true;
  }

  say(...messages: Message[]): void {
    for (const m of messages) for (const f of this.encoder.encode(m)) this.wire.send(f);
  }

  raw(frame: Bytes): void {
    this.wire.send(frame);
  }
}

/** A seed, which this program has no engine for: its node, run as simply as can be. */
export class Seed implements Port {
  readonly node: Node;
  /** May change what it sends. */
  spoil: (m: Message) => Message = (m) => m;
  private readonly ends = new Map<Conn, { wire: Wire; encoder: Encoder; decoder: Decoder }>();

  constructor(
    private readonly world: World,
    node: Node,
  ) {
    this.node = node;
    setInterval(() => this.do(() => this.node.tick(this.now())), 10);
  }

  do(fn: () => void): void {
    fn();
    const e = this.node.effects();
    for (const { to, message } of e.send) {
      const end = this.ends.get(to);
      if (end) for (const f of end.encoder.encode(this.spoil(message))) end.wire.send(f);
    }
    for (const { conn } of e.drop) {
      this.ends.delete(conn);
      this.world.cut(this, conn);
    }
  }

  opened(conn: Conn, initiator: boolean): void {
    const end = { encoder: new Encoder(), decoder: new Decoder() } as { wire: Wire; encoder: Encoder; decoder: Decoder };
    this.ends.set(conn, end);
    end.wire = fakeWire({
      ...{ infohash: this.world.infohash, peerId: crypto.getRandomValues(new Uint8Array(20)) },
      on: {
        bytes: (b) => this.world.carry(this, conn, b),
        open: () => this.do(() => this.node.connected(this.now(), conn, { address: null, outbound: initiator })),
        frame: (b) => {
          const m = end.decoder.decode(b);
          if (m) this.do(() => this.node.receive(this.now(), conn, m));
        },
        end: () => undefined,
      },
    });
  }

  data(conn: Conn, bytes: Bytes): void {
    this.ends.get(conn)?.wire.receive(bytes);
  }

  closed(conn: Conn): void {
    this.ends.delete(conn);
    this.do(() => this.node.closed(this.now(), conn));
  }

  now(): number {
    return Math.round(performance.now() * millisecond);
  }
}

/** What an origin would answer, by address. */
export type Origin = (url: string, init: RequestInit) => Response;

export class World {
  readonly author = new Author();
  readonly infohash = new Uint8Array(20).fill(7);
  origin: Origin = () => new Response("", { status: 404 });
  readonly asked: string[] = [];
  private readonly wires = new Map<string, { to: Port; conn: Conn; queue: Bytes[] }>();
  private readonly ids = new Map<Port, number>();
  private conns = 0;
  private n = 0;
  private working = 0; // what the browser is asked to do elsewhere, and has not done

  /** The same chances in every run, those of a seed. */
  constructor(seed = 1) {
    const chance = new Random(seed);
    vi.spyOn(crypto, "getRandomValues").mockImplementation((into) => {
      const bytes = into as unknown as Uint8Array;
      for (let i = 0; i < bytes.length; i++) bytes[i] = chance.below(256);
      return into;
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"] });
    for (const work of ["verify", "digest", "importKey"] as const) {
      const real = crypto.subtle[work].bind(crypto.subtle) as (...args: unknown[]) => Promise<never>;
      vi.spyOn(crypto.subtle, work).mockImplementation((...args: unknown[]) => {
        this.working++;
        return real(...args).finally(() => this.working--);
      });
    }
  }

  /** An engine that takes part. */
  async seat(fields: Partial<Begin> = {}): Promise<Seat> {
    const { stream, genesis, record } = this.author;
    const begin: Begin = {
      ...{ stream, name: "film", base: "http://origin.test/", genesis: envelopeFrom(genesis), records: [envelopeFrom(record)] },
      ...{ infohash: this.infohash, peerId: crypto.getRandomValues(new Uint8Array(20)), up: 20e6, wants: ["v0"], origin: false, ...fields },
    };
    const fetch = (url: string | URL | Request, init: RequestInit = {}) => {
      this.asked.push(String(url));
      return Promise.resolve(this.origin(String(url), init));
    };
    return new Seat(this, begin, await Trust.begin(begin.genesis), fetch as typeof globalThis.fetch);
  }

  async seed(): Promise<Seed> {
    const verifier = await this.author.verifier();
    return new Seed(this, new Node({ stream: this.author.stream, id: "5e".repeat(16), role: "seed", verifier, wants: [], up: 100e6, noOrigin: true, random: 5 }));
  }

  /** Somebody who introduced itself as a viewer with much to give. */
  stranger(id = 1): Stranger {
    const hello: Message = { type: "Hello", version: 1, stream: this.author.stream, id: `e${id}`.repeat(16), role: "viewer", leaf: false, up: 50_000 };
    return new Stranger(this, this.infohash, (s) => s.say(hello));
  }

  connect(a: Port, b: Port): { a: Conn; b: Conn } {
    const [here, there] = [++this.conns, ++this.conns];
    this.wires.set(this.name(a, here), { to: b, conn: there, queue: [] });
    this.wires.set(this.name(b, there), { to: a, conn: here, queue: [] });
    a.opened(here, true);
    b.opened(there, false);
    return { a: here, b: there };
  }

  carry(from: Port, conn: Conn, bytes: Bytes): void {
    this.wires.get(this.name(from, conn))?.queue.push(bytes);
  }

  cut(from: Port, conn: Conn): void {
    const wire = this.wires.get(this.name(from, conn));
    if (!wire) return;
    this.flush();
    this.wires.delete(this.name(from, conn));
    this.wires.delete(this.name(wire.to, wire.conn));
    wire.to.closed(wire.conn);
  }

  /** Makes the next piece of the stream, or one of each rendition. */
  make(size = 40_000, ...renditions: string[]) {
    const n = this.n++;
    return (renditions.length > 0 ? renditions : ["v0"]).map((r) => this.author.piece(n, size, r));
  }

  /** Makes them and gives them to a seed. */
  play(seed: Seed, size = 40_000, ...renditions: string[]) {
    const made = this.make(size, ...renditions);
    for (const p of made) seed.do(() => seed.node.add(seed.now(), p.head, p.data, sources.origin));
    return made[0]!;
  }

  /** Lets time pass; what browsers do elsewhere, such as checking signatures, is waited for. */
  async run(ms: number): Promise<void> {
    for (let t = 0; t < ms; t += 5) {
      vi.advanceTimersByTime(5);
      for (let i = 0; i < 3 || this.working > 0; i++) {
        this.flush();
        await new Promise((done) => immediately(done));
      }
    }
  }

  /** Plays pieces in real time to a seed. */
  async live(seed: Seed, count: number, ...renditions: string[]) {
    const made = [];
    for (let i = 0; i < count; i++) {
      made.push(this.play(seed, 40_000, ...renditions));
      await this.run(200);
    }
    return made;
  }

  end(): void {
    vi.clearAllTimers();
    vi.restoreAllMocks();
    vi.useRealTimers();
  }

  private flush(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const wire of [...this.wires.values()]) {
        const bytes = wire.queue.shift();
        if (!bytes) continue;
        moved = true;
        wire.to.data(wire.conn, bytes);
      }
    }
  }

  private name(p: Port, conn: Conn): string {
    if (!this.ids.has(p)) this.ids.set(p, this.ids.size);
    return `${this.ids.get(p)}/${conn}`;
  }
}

export { epoch };
