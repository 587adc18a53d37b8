// The page's part in its stream's swarm: connections come from rtc, what is said on them is decided by the engine, and
// what the engine brings waits here until the player takes it. Entries and pieces that it hands out are verified.
import { Fork } from "./book.ts";
import type { Bytes } from "./bytes.ts";
import { type Entry, type Position, timescale } from "./documents.ts";
import type { Envelope } from "./dsse.ts";
import { Engine } from "./engine/engine.ts";
import type { BySource, Figures } from "./engine/protocol.ts";
import { Peering } from "./rtc/peering.ts";
import { Shelf } from "./shelf.ts";
import { none, type SwarmCounts } from "./swarmcounts.ts";
import type { SignedEntry } from "./trust.ts";
import type { Key } from "./swarm/messages.ts";
import { infohash } from "./wire/descriptor.ts";

export interface SwarmingOptions {
  stream: string; // its id
  name: string;
  base: URL;
  genesis: Envelope;
  records: Envelope[];
  trackers: string[];
  iceServers: RTCIceServer[];
  /** No peer may learn this one's address. */
  relayOnly: boolean;
  /** What may be given to others, bit/s; 0: nothing, Infinity: no cap. */
  up: number;
  /** The rendition that is played, and all that there are. */
  rendition: string;
  renditions: string[];
  /** From where on the swarm brings pieces: what is there already is the origin's to give. */
  from: Position;
  /** Of media that is kept for others and for the player, in bytes. */
  maxBytes?: number;
  on: SwarmingEvents;
}

export interface SwarmingEvents {
  /** A verified entry that the swarm told of. */
  head(signed: SignedEntry): void;
  /** Bytes that were brought, each once, by who delivered them. */
  brought(piece: Key, by: BySource): void;
  gave(bytes: number): void;
  /** A rotation or session record that the swarm told of: DSSE JSON. */
  record(envelope: Bytes): void;
  /** Whether the next pieces can be left to the swarm. */
  warm(yes: boolean): void;
  /** The creator's key signed two histories. */
  fork(err: Fork): void;
}

/** How long the head of a piece may take that was told of elsewhere first, in ms. */
const headWaitMs = 250;
/** How long a piece may take whose head is here; the engine asks the origin long before. */
const pieceWaitMs = 8_000;
/** Heads and pieces that are remembered. */
const maxHeads = 512;
/** So much earlier than it is shown a piece must be with the player, which has to take it in. */
const handOverMs = 60;
/** Moments of playing that differ less from what the engine reckons with are not told. */
const driftMs = 25;
/** Uplink that is stated where the viewer sets no cap: browsers do not tell what there is. */
const uncapped = 10_000_000;
const leaveMs = 500;
/** How long gossip must have been late before the swarm is not relied on. */
const coldMs = 1_000;
/** An engine that says nothing for so long is not relied on either: browsers may end workers without a word. */
const silentMs = 5_000;

export class Swarming {
  /** The next pieces can be left to the swarm. */
  warm = false;
  figures: Figures | null = null;
  counts: SwarmCounts = none;
  /** A sentence about what is wrong, empty where nothing is. */
  trouble = "";
  rtc = new Map<number, { rttMs: number | null; relayed: boolean }>();
  private readonly engine: Engine;
  private readonly peering: Peering;
  private readonly heads = new Set<string>();
  private readonly brought = new Set<string>();
  private readonly shelf: Shelf;
  private readonly waiting = new Map<string, Set<() => void>>();
  private readonly troubles = { tracker: "", webrtc: "" };
  private told: { r: string; epoch: number; zero: number } | null = null; // moment at which pts 0 would be played
  private over = false;
  private cooling: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private rendition: string;

  constructor(private readonly o: SwarmingOptions) {
    this.rendition = o.rendition;
    this.shelf = new Shelf(o.maxBytes === undefined ? undefined : o.maxBytes / 4);
    const hash = infohash(o.genesis);
    const peerId = newPeerId();
    this.peering = new Peering({
      infohash: hash,
      peerId,
      trackers: o.trackers,
      iceServers: o.iceServers,
      relayOnly: o.relayOnly,
      relay: (to, body) => this.engine.tell({ do: "relay", to, body }),
      on: {
        opened: (conn, initiator) => this.engine.tell({ do: "opened", conn, initiator }),
        data: (conn, bytes) => this.engine.tell({ do: "data", conn, bytes }),
        closed: (conn) => this.engine.tell({ do: "closed", conn }),
        trouble: (kind, sentence) => (this.troubles[kind] = sentence),
        swarm: (peers) => this.engine.tell({ do: "setSwarm", peers }),
      },
    });
    this.engine = new Engine({
      on: {
        send: ({ conn, bytes }) => this.peering.send(conn, bytes),
        close: ({ conn, ban }) => this.peering.close(conn, ban),
        dial: ({ hint }) => this.peering.dial(hint.id),
        signal: ({ from, body }) => this.peering.signal(from, body),
        head: ({ entry, digest, envelope, freshMs }) => {
          remember(this.heads, place(entry), maxHeads);
          o.on.head({ entry, digest, envelope, freshMs });
          this.wake(place(entry));
        },
        piece: ({ key, bytes, by }) => {
          this.shelf.put(place(key), bytes);
          remember(this.brought, place(key), maxHeads);
          o.on.brought(key, by);
          this.wake(place(key));
        },
        refused: ({ key }) => {
          this.heads.delete(place(key));
          this.wake(place(key));
        },
        record: ({ envelope }) => o.on.record(envelope),
        fork: ({ fork }) => o.on.fork(new Fork(`${fork.r} has two histories at ${fork.at.epoch}/${fork.at.n}: ${fork.known.slice(0, 16)} and ${fork.seen.slice(0, 16)} are both signed`)),
        warm: ({ warm }) => warm.r === this.rendition && this.judged(warm.warm),
        stats: ({ figures }) => this.count(figures),
        trouble: ({ sentence }) => {
          this.trouble = sentence;
          this.end();
          this.figures = null;
        },
      },
    });
    this.engine.tell({
      do: "begin",
      with: {
        stream: o.stream,
        name: o.name,
        base: o.base.href,
        genesis: o.genesis,
        records: o.records,
        infohash: hash,
        peerId,
        up: stated(o.up),
        wants: [o.rendition],
        others: o.renditions.filter((r) => r !== o.rendition),
        ...(o.maxBytes === undefined ? {} : { maxBytes: 0.75 * o.maxBytes }),
        origin: true,
      },
    });
    this.engine.tell({ do: "follow", r: o.rendition, from: o.from });
    this.peering.start();
  }

  /**
   * A verified piece: as soon as the swarm has it, for as long as that is worth waiting for, or only if it is here. It is
   * kept for a while: players ask again after a switch or an abort.
   */
  async piece(r: string, at: Position, wait: boolean, signal: AbortSignal): Promise<Bytes | null> {
    const key = place({ r, ...at });
    const began = performance.now();
    const { warm } = this;
    while (!this.over && !signal.aborted) {
      const here = this.shelf.get(key);
      if (here) return here.slice(); // players change what they are given
      if (!wait || (warm && !this.warm)) return null; // it went cold meanwhile
      if (this.brought.has(key)) return null; // what came and is kept no longer does not come again
      const left = (this.heads.has(key) ? pieceWaitMs : headWaitMs) - (performance.now() - began);
      if (left <= 0) return null;
      await this.change(key, left, signal);
    }
    return null;
  }

  /** A verified piece whenever the swarm brings it; null once that is not waited for any more. */
  async whenHere(r: string, at: Position, signal: AbortSignal): Promise<Bytes | null> {
    const key = place({ r, ...at });
    while (!this.over && !signal.aborted) {
      const here = this.shelf.get(key);
      if (here) return here.slice();
      await this.change(key, pieceWaitMs, signal);
    }
    return null;
  }

  /** For what is connected from now on. */
  setIceServers(servers: RTCIceServer[]): void {
    this.peering.setIceServers(servers);
  }

  /** Reports whether a piece is here. */
  has(r: string, at: Position): boolean {
    return this.shelf.get(place({ r, ...at })) !== undefined;
  }

  /** Hands on a verified piece that came from the origin, so that others get it from here. */
  keep(envelope: Envelope, bytes: Bytes): void {
    this.engine.tell({ do: "piece", envelope, bytes: bytes.slice() });
  }

  /** Says whether the page itself asks the origin for a piece. */
  asking(r: string, at: Position, on: boolean): void {
    this.engine.tell({ do: "asking", piece: { r, epoch: at.epoch, n: at.n }, on });
  }

  learn(records: Envelope[]): void {
    for (const envelope of records) this.engine.tell({ do: "record", envelope });
  }

  /** Says what is played now, `into` seconds after the beginning of a piece: by that the swarm knows how much time there is. */
  play(e: Entry, into: number): void {
    const pts = e.pts + into * timescale;
    const at = Date.now() - handOverMs;
    const zero = at - (pts / timescale) * 1_000;
    if (this.told && this.told.r === e.r && this.told.epoch === e.epoch && Math.abs(this.told.zero - zero) < driftMs) return;
    this.told = { r: e.r, epoch: e.epoch, zero };
    this.engine.tell({ do: "play", r: e.r, epoch: e.epoch, pts: Math.round(pts), at });
  }

  /** Switches to another rendition, from a position on. What is here of the one before is still given to others. */
  follow(r: string, from: Position): void {
    const other = r !== this.rendition;
    if (other) {
      this.engine.tell({ do: "want", r: this.rendition, on: false });
      this.engine.tell({ do: "want", r, on: true });
    }
    this.engine.tell({ do: "follow", r, from });
    this.rendition = r;
    if (other) this.setWarm(false);
  }

  setUp(bits: number): void {
    this.engine.tell({ do: "setUp", bits: stated(bits) });
  }

  /** The tab is hidden: it gives nothing from now on, and sends those it gave to elsewhere. */
  rest(): void {
    this.engine.tell({ do: "drain" });
    this.engine.tell({ do: "setUp", bits: 0 });
  }

  /** The network is another. */
  networkChanged(): void {
    this.peering.networkChanged();
  }

  /** What is wrong, as a sentence; empty where nothing is. */
  wrong(): string {
    return this.trouble || this.troubles.webrtc || this.troubles.tracker;
  }

  /** Leaves the swarm; the engine has a moment to send others elsewhere. */
  leave(): void {
    if (this.over) return;
    this.setWarm(false);
    this.peering.withdraw();
    this.engine.tell({ do: "end" });
    this.over = true;
    this.wakeAll();
    setTimeout(() => this.end(), leaveMs);
  }

  /** Leaves it without a word, at once: the page goes away. */
  end(): void {
    this.over = true;
    clearTimeout(this.silence);
    this.setWarm(false);
    this.peering.leave();
    this.engine.close();
    this.wakeAll();
  }

  /**
   * Takes the engine's word that gossip is on time at once, and that it is not when that lasts: a machine that was held
   * up, or a source, is late everywhere, and to ask the origin for everything beside the swarm would make it later.
   */
  private judged(warm: boolean): void {
    if (this.over) return;
    clearTimeout(this.cooling);
    if (warm || !this.warm) return this.setWarm(warm);
    this.cooling = setTimeout(() => this.setWarm(false), coldMs);
  }

  private setWarm(yes: boolean): void {
    clearTimeout(this.cooling);
    if (this.warm === yes) return;
    this.warm = yes;
    this.o.on.warm(yes);
    if (!yes) this.wakeAll();
  }

  private count(f: Figures): void {
    const before = this.figures?.sent ?? 0;
    this.figures = f;
    this.counts = { rejected: f.rejected, duplicate: f.duplicate, swaps: f.swaps };
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.setWarm(false), silentMs);
    if (f.sent > before) this.o.on.gave(f.sent - before);
    for (const p of f.peers) if (p.id !== "") this.peering.identify(p.conn, p.id);
    void this.peering.stats().then((all) => {
      this.rtc = new Map(all.map((s) => [s.conn, { rttMs: s.rttMs, relayed: s.local === "relay" || s.remote === "relay" }]));
    });
  }

  private change(key: string, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.waiting.get(key) ?? new Set();
      this.waiting.set(key, waiting);
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        waiting.delete(done);
        if (waiting.size === 0 && this.waiting.get(key) === waiting) this.waiting.delete(key);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
      waiting.add(done);
    });
  }

  private wake(key: string): void {
    for (const done of [...(this.waiting.get(key) ?? [])]) done();
  }

  private wakeAll(): void {
    for (const key of [...this.waiting.keys()]) this.wake(key);
  }
}

function stated(bits: number): number {
  return Math.min(bits, uncapped);
}

function place(k: { r: string } & Position): string {
  return `${k.r}/${k.epoch}/${k.n}`;
}

function remember(set: Set<string>, what: string, most: number): void {
  set.add(what);
  if (set.size > most) set.delete(set.values().next().value!);
}

/** A BitTorrent peer id (BEP 20): what this is, and chance. */
function newPeerId(): Bytes {
  const id = new Uint8Array(20);
  id.set(new TextEncoder().encode("-SH0100-"));
  crypto.getRandomValues(id.subarray(8));
  return id;
}
