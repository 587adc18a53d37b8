// One stream while it is watched: which entries it has, the playlists that follow from them, and the verified media
// that they name. It knows no player: hls.js and others are given what they ask for.
import { type Book, Fork } from "./book.ts";
import type { Bytes } from "./bytes.ts";
import { Bus } from "./bus/bus.ts";
import { entryFrom, type Entry, order, type Position } from "./documents.ts";
import { type Envelope, envelopeFromJson, peek, types } from "./dsse.ts";
import { Feed } from "./feed.ts";
import { Listing } from "./listing.ts";
import type { Meter } from "./meter.ts";
import type { Offered } from "./levels.ts";
import { isDown, type Manifest, type Origin, type RenditionInfo } from "./origin.ts";
import { type Lists, multivariant } from "./playlists.ts";
import { BadProof, type Source, type Verified, type Wanted } from "./source.ts";
import { sleep } from "./sleep.ts";
import { none, sum, type SwarmCounts } from "./swarmcounts.ts";
import { Swarming } from "./swarming.ts";
import type { Wire } from "./telemetry/courier.ts";
import type { SignedEntry } from "./trust.ts";

/** How the stream's swarm is taken part in. */
export interface Part {
  /** bit/s that others may be given; 0: nothing. */
  up: number;
  relayOnly: boolean;
}

export interface SessionOptions {
  origin: Origin;
  source: Source;
  manifest: Manifest;
  meter: Meter;
  /** Of media that is kept for others, in bytes. */
  maxBytes?: number;
}

export interface SessionEvents {
  /** The origin does not answer as it should; the stream may have ended. */
  trouble(): void;
  /** What cannot go on: a fork, false proofs. */
  failed(err: unknown): void;
  /** A verified piece came, from whomever, for the first time. */
  came(entry: Entry): void;
  /** NATS answered the report that was sent last: it is kept, or is not. */
  answered(good: boolean): void;
}

/** A rendition whose newest entry is so much older (ms) than another's has newer ones, which nobody told of. */
const unheardMs = 500;
const catchUpMs = 3_000;
/** So much older (ms) than another's is the newest entry of a rendition that is made no longer, or too slowly. */
const behindMs = 2_500;
/** A tab hidden for less was a glance at another: to leave the swarm's tree and come back would cost all more. */
const glanceMs = 3_000;
const maxRenditions = 16;
/** Pieces that may be on their way before the player asks: where the network is too slow for more, they would hold up what it asks for. */
const maxLeads = 3;
/** How long the origin may keep a piece to itself that the swarm may have brought meanwhile. */
const silentMs = 1_000;

export class Session implements Lists {
  /** The newest entry, when it began, of the rendition that it begins with. */
  readonly joinedAt: Entry | undefined;
  /** The player takes no media for now, so none is to be fetched ahead of it. */
  idle = false;
  swarming: Swarming | null = null;
  private readonly origin: Origin;
  private readonly source: Source;
  private readonly renditions: Map<string, RenditionInfo>;
  private readonly listings = new Map<string, Listing>();
  private readonly bus: Bus | null = null;
  private feed: Feed | null = null;
  private followed = "";
  private caughtUp: Promise<void> = Promise.resolve();
  private part: Part | null = null;
  private hiding: ReturnType<typeof setTimeout> | undefined;
  private resting = false;
  private meeting: Manifest;
  private before: SwarmCounts = none; // in swarms that were left
  private asked: Position | null = null; // by the player, and not here yet

  constructor(
    private readonly o: SessionOptions,
    private readonly on: SessionEvents,
  ) {
    const { origin, source, manifest } = o;
    this.origin = origin;
    this.source = source;
    this.meeting = manifest;
    this.renditions = new Map(manifest.renditions);
    const first = [...manifest.renditions.keys()].find((r) => source.book(r).newest);
    this.joinedAt = first ? source.book(first).newest?.entry : undefined;
    for (const [r, info] of manifest.renditions) this.list(r, info);
    source.learned = (signed) => this.learned(signed);
    source.fetched = ({ envelope }, bytes) => this.swarming?.keep(envelope, bytes);
    source.came = (entry) => this.on.came(entry);
    if (first) this.follow(first);
    if (manifest.pass) {
      this.bus = new Bus({
        pass: (signal) => origin.pass(manifest.pass!, signal),
        entry: (r, json) => void this.told(r, json),
        answered: (good) => this.on.answered(good),
      });
    }
  }

  close(): void {
    clearTimeout(this.hiding);
    this.followed = "";
    this.leave();
    this.bus?.stop();
    this.feed?.stop();
    this.source.learned = () => undefined;
    this.source.fetched = () => undefined;
    this.source.came = () => undefined;
  }

  /** Where reports go over NATS; null while there is no connection. */
  get wire(): Wire | null {
    return this.bus?.wire ?? null;
  }

  /** bit/s of the best rendition, as its newest pieces have it; 0 where there is one only. */
  topBitrate(): number {
    return this.size < 2 ? 0 : Math.max(...[...this.listings.values()].map((l) => l.bitrate()));
  }

  /** Takes part in the swarm, or does so otherwise than before; null leaves it. */
  take(part: Part | null): void {
    const same = part && this.part && part.relayOnly === this.part.relayOnly;
    if (same && part.up !== this.part!.up) this.swarming?.setUp(part.up);
    this.part = part;
    if (same && this.swarming) return;
    this.leave();
    if (part) this.join(part);
  }

  /** The tab is hidden, so its timers cannot be relied on: unless it is shown again soon, it gives nothing until then. */
  hide(hidden: boolean): void {
    clearTimeout(this.hiding);
    if (hidden) {
      this.hiding = setTimeout(() => {
        this.resting = true;
        this.swarming?.rest();
      }, glanceMs);
    } else if (this.resting) {
      this.resting = false;
      if (!this.part || !this.swarming) return;
      this.leave();
      this.join(this.part);
    }
  }

  /** Blocks of swarms that were false, bytes that came more than once, and parents that were exchanged. */
  counted(): SwarmCounts {
    return sum(this.before, this.swarming?.counts ?? none);
  }

  /**
   * Takes from a newer manifest where peers meet, the servers of WebRTC, whose credentials do not last, and the renditions
   * that came since: those of a ladder begin after their source. Reports whether there are any.
   */
  renew(m: Manifest): boolean {
    const before = this.size;
    this.meeting = m;
    this.swarming?.setIceServers(m.ice);
    for (const [r, info] of m.renditions) {
      if (this.renditions.has(r) || this.renditions.size >= maxRenditions || info.entries.length === 0) continue;
      this.renditions.set(r, info);
      this.list(r, info);
    }
    return this.size > before;
  }

  /** How many renditions are known here. */
  get size(): number {
    return this.renditions.size;
  }

  /** Reports whether a rendition is known here. */
  has(r: string): boolean {
    return this.renditions.has(r);
  }

  /** The renditions that are known. */
  offers(): Offered[] {
    return [...this.renditions].map(([rendition, { codecs, width, height }]) => {
      const bitrate = Math.round(this.listings.get(rendition)!.bitrate());
      return { rendition, codecs, width, height, bitrate, url: this.origin.url(`${rendition}/index.m3u8`) };
    });
  }

  /** Begins the list of a rendition's entries with those of a manifest. Not verified yet, but listed: whatever they lead to will be. */
  private list(r: string, { entries }: RenditionInfo): void {
    const listing = new Listing();
    const known = entries.flatMap((e) => {
      try {
        return [entryFrom(peek(e, types.entry))];
      } catch {
        return [];
      }
    });
    for (const entry of known.filter((e) => e.r === r).sort(order)) listing.add(entry);
    this.listings.set(r, listing);
  }

  /** The playhead is `into` seconds into a piece. */
  played(e: Entry, into: number): void {
    this.swarming?.play(e, into);
  }

  /** The rendition that is played. */
  get playedRendition(): string {
    return this.followed;
  }

  multivariant(): string {
    return multivariant(this.renditions, (r) => this.listings.get(r)!.bitrate());
  }

  async current(): Promise<void> {
    await this.caughtUp;
  }

  listing(r: string): Listing | undefined {
    return this.listings.get(r);
  }

  book(r: string): Book {
    return this.source.book(r);
  }

  /** Verified media: from the swarm where it has it or will have it in time, else from the origin. */
  async get(url: string, what: Wanted, signal: AbortSignal): Promise<Verified> {
    const at = what.kind === "piece" ? what.at : null;
    this.asked = at;
    try {
      return await this.bring(url, what, signal);
    } finally {
      if (this.asked === at) this.asked = null;
    }
  }

  private async bring(url: string, what: Wanted, signal: AbortSignal): Promise<Verified> {
    const { swarming, source } = this;
    if (what.kind !== "piece" || !swarming) return source.get(url, what, signal);
    const ahead = source.isAhead(url) && !swarming.has(what.r, what.at);
    const brought = ahead ? null : await this.brought(swarming, url, what, swarming.warm, signal);
    if (brought) return brought;
    swarming.asking(what.r, what.at, true);
    const settled = new AbortController();
    const both = AbortSignal.any([signal, settled.signal]);
    try {
      const fetched = source.get(url, what, both);
      return await Promise.race([fetched, this.sooner(swarming, url, what, fetched, both)]).finally(() => {
        settled.abort();
        swarming.asking(what.r, what.at, false);
      });
    } catch (err) {
      // Where the origin is down, the swarm is what is left, late as it may be.
      const late = this.fed() && isDown(err) ? await this.brought(swarming, url, what, true, signal) : null;
      if (!late) throw err;
      return late;
    }
  }

  /** What the swarm brings while the origin keeps silent for long, as one does that is gone; else what is fetched. */
  private async sooner(swarming: Swarming, url: string, what: Wanted & { kind: "piece" }, fetched: Promise<Verified>, signal: AbortSignal): Promise<Verified> {
    await sleep(silentMs, signal);
    return this.vouched(url, what, await swarming.whenHere(what.r, what.at, signal)) ?? fetched;
  }

  private async brought(swarming: Swarming, url: string, what: Wanted & { kind: "piece" }, wait: boolean, signal: AbortSignal): Promise<Verified | null> {
    return this.vouched(url, what, await swarming.piece(what.r, what.at, wait, signal));
  }

  /** A piece that the swarm brought, with the entry that vouches for it; the origin is not asked for it any more. */
  private vouched(url: string, what: Wanted & { kind: "piece" }, bytes: Bytes | null): Verified | null {
    const entry = this.source.book(what.r).at(what.at)?.entry;
    if (!bytes || !entry) return null;
    this.source.forget(url);
    return { bytes, entries: [entry], ms: 0 };
  }

  /** Reports whether media is here that comes after the next of a piece: so that next one should be here as well. */
  isBeyond(e: Entry): boolean {
    return [2, 3].every((more) => {
      const at = { epoch: e.epoch, n: e.n + more };
      return this.source.isHere(this.pieceUrl(e.r, at)) || this.swarming?.has(e.r, at);
    });
  }

  /** Reports whether others are there who may bring what is new. */
  fed(): boolean {
    return (this.swarming?.figures?.peers.length ?? 0) > 0;
  }

  /**
   * Says which rendition is played: its newest entries are to be known at once, and its newest segment to be here. Returns
   * when the newest entry was issued (ms) that is known of the stream: what comes later comes live.
   */
  follow(r: string): number {
    const before = this.listings.get(this.followed)?.newest;
    const listing = this.listings.get(r);
    const since = before?.issued ?? 0;
    if (r === this.followed || !listing) return since;
    this.source.forgetAll(this.followed); // the network is the new one's
    this.followed = r;
    this.feed?.stop();
    const { newest } = listing;
    const passedBy = since - (newest?.issued ?? 0) > unheardMs;
    if (passedBy) this.caughtUp = this.catchUp(r, listing);
    else this.lookTo(r, listing);
    return since;
  }

  /** Asks for entries that nobody told of while another rendition was played, and lists them, even with a hole before them. */
  private async catchUp(r: string, listing: Listing): Promise<void> {
    try {
      await this.source.learn(await this.origin.manifest({ r }, AbortSignal.timeout(catchUpMs)));
    } catch (err) {
      if (err instanceof Fork || err instanceof BadProof) this.on.failed(err);
      else this.on.trouble();
    }
    if (listing.hole()) listing.jump();
    if (this.followed === r) this.lookTo(r, listing);
  }

  private lookTo(r: string, listing: Listing): void {
    const { newest } = listing;
    if (newest) {
      if (!this.idle) this.fetchBurst(newest);
      this.swarming?.follow(r, { epoch: newest.epoch, n: newest.n + 1 });
    }
    this.feed?.stop();
    this.feed = new Feed(this.origin, r, listing, {
      manifest: async (m) => {
        try {
          await this.source.learn(m);
          this.swarming?.learn([...m.rotations, ...m.sessions]);
        } catch (err) {
          this.on.failed(err);
        }
        listing.ended = !m.live;
      },
      trouble: () => this.on.trouble(),
    });
  }

  pieceUrl(r: string, at: Position): string {
    return this.origin.url(`${r}/${at.epoch}/${at.n}.m4s`);
  }

  private join(part: Part): void {
    const { meeting, source } = this;
    const newest = this.listings.get(this.followed)?.newest;
    if (!newest || meeting.trackers.length === 0) return;
    this.swarming = new Swarming({
      stream: source.trust.id,
      name: source.trust.name,
      base: this.origin.base,
      genesis: meeting.genesis,
      records: [...meeting.rotations, ...meeting.sessions],
      trackers: meeting.trackers,
      iceServers: meeting.ice,
      ...part,
      rendition: this.followed,
      renditions: [...this.renditions.keys()],
      from: { epoch: newest.epoch, n: newest.n + 1 },
      ...(this.o.maxBytes === undefined ? {} : { maxBytes: this.o.maxBytes }),
      on: {
        head: (signed) => this.dare(() => source.accept(signed)),
        brought: (piece, by) => {
          const entry = source.book(piece.r).at(piece)?.entry;
          if (!source.claim(entry ?? piece)) return;
          for (const who of ["peer", "seed", "edge", "origin"] as const) if (by[who] > 0) this.o.meter.add(who, by[who], performance.now());
        },
        gave: (bytes) => this.o.meter.give(bytes, performance.now()),
        record: (json) => void this.record(json),
        warm: (yes) => this.warmed(yes),
        fork: (err) => this.on.failed(err),
      },
    });
    if (this.resting) this.swarming.rest();
  }

  private leave(): void {
    this.before = this.counted();
    this.swarming?.leave();
    this.swarming = null;
    this.bus?.want(true);
  }

  /** While the swarm brings pieces and their entries, nobody else is asked for them; when it does no longer, the next is asked for at once. */
  private warmed(yes: boolean): void {
    this.bus?.want(!yes);
    if (yes) return this.source.dropHeld();
    const newest = this.listings.get(this.followed)?.newest;
    if (newest && !this.idle) this.lead(newest);
  }

  /** Takes in an entry that came by NATS. */
  private async told(r: string, json: Envelope["payload"]): Promise<void> {
    try {
      await this.source.takeEntry(r, envelopeFromJson(json));
    } catch (err) {
      if (err instanceof Fork) this.on.failed(err);
    }
  }

  /** Takes in a record that the swarm told of, where it is one. */
  private async record(json: Envelope["payload"]): Promise<void> {
    try {
      const e = envelopeFromJson(json);
      const { trust } = this.source;
      await (e.payloadType === types.rotation ? trust.addRotation(e) : trust.addSession(e));
    } catch {
      // The engine judged it by all that it knows; what is of no use here changes nothing.
    }
  }

  private dare(fn: () => void): void {
    try {
      fn();
    } catch (err) {
      this.on.failed(err);
    }
  }

  private learned({ entry }: SignedEntry): void {
    const listing = this.listings.get(entry.r);
    if (!listing) return;
    const longer = listing.add(entry);
    for (const other of this.listings.values()) if (entry.issued - (other.newest?.issued ?? 0) > behindMs) other.fallBehind();
    if (entry.r !== this.followed) return;
    if (!longer) {
      if (listing.hole()) this.feed?.early();
      return;
    }
    this.feed?.heard();
    const newest = listing.newest!;
    if (!this.idle && !this.swarming?.warm && this.source.coming < maxLeads && !this.late(newest)) this.lead(newest);
  }

  /** Reports whether the player waits for what is older than leads would have fetched: then all of the network is for that. */
  private late({ epoch, n }: Position): boolean {
    return this.asked?.epoch === epoch && this.asked.n + maxLeads < n;
  }

  /** The origin holds a request for the next piece until it is there: asked for now, it comes without another round trip. */
  private lead(newest: Entry): void {
    this.source.prefetch(this.pieceUrl(newest.r, { epoch: newest.epoch, n: newest.n + 1 }));
  }

  /** What a joiner needs first, asked for at once: the newest segment's init and pieces. */
  private fetchBurst(newest: Entry): void {
    const book = this.source.book(newest.r);
    const init = book.initOf(newest.msn);
    if (init) this.source.prefetch(this.origin.url(`${newest.r}/init/${init}.mp4`));
    let first = newest.n - newest.part;
    for (let n = newest.n; n >= 0; n--) {
      const entry = book.at({ epoch: newest.epoch, n })?.entry;
      if (entry?.part === 0 && entry.key) {
        first = n;
        break;
      }
      if (!entry) break;
    }
    for (let n = first; n <= newest.n; n++) {
      const entry = book.at({ epoch: newest.epoch, n })?.entry;
      if (entry && !entry.gap) this.source.prefetch(this.pieceUrl(entry.r, entry));
    }
    this.lead(newest);
  }
}
