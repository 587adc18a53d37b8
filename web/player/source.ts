// Where the player's bytes come from: fetched from the origin and checked against
// what the creator signed. What does not verify never leaves this file.
import { base64, type Bytes, hex } from "./bytes.ts";
import { Book, Fork } from "./book.ts";
import type { Entry, Position } from "./documents.ts";
import { type Envelope, envelopeFromHeader } from "./dsse.ts";
import { rootOf } from "./merkle.ts";
import { Meter } from "./meter.ts";
import { httpError, type Manifest, type Origin } from "./origin.ts";
import { type SignedEntry, Trust, UnknownSession } from "./trust.ts";

/** Both copies that the origin sent were not what the creator signed. */
export class BadPiece extends Error {
  override name = "BadPiece";
}

/** Keys or session records that the origin offers do not hold. */
export class BadProof extends Error {
  override name = "BadProof";
}

/** One thing that the player asks for, as its address says. */
export type Wanted =
  | { kind: "piece"; r: string; at: Position }
  | { kind: "segment"; r: string; msn: number }
  | { kind: "init"; r: string; root: string };

/** What was asked for before the player did. */
interface Ahead {
  coming: Promise<Verified>;
  stop: AbortController;
  held: boolean; // the origin has not begun to answer
  here: boolean;
}

/** Verified bytes and the entries that vouch for them, in order (none for an init segment). */
export interface Verified {
  bytes: Bytes;
  entries: Entry[];
  /** How long the bytes took to come once they began to, in ms; 0 where they were here. By it the path to the origin is measured. */
  ms: number;
}

/** Reads an address of the origin's; null for one that carries no media. */
export function wanted(url: string): Wanted | null {
  const m = /\/live\/[^/]+\/([a-z][a-z0-9]{0,15})\/(?:(\d{1,16})\/(\d{1,16})\.m4s|seg\/(\d{1,16})\.m4s|init\/([0-9a-f]{64})\.mp4)$/.exec(
    new URL(url).pathname,
  );
  if (!m) return null;
  const r = m[1]!;
  if (m[5]) return { kind: "init", r, root: m[5] };
  if (m[4]) return { kind: "segment", r, msn: Number(m[4]) };
  return { kind: "piece", r, at: { epoch: Number(m[2]), n: Number(m[3]) } };
}

const maxAhead = 64; // prefetched answers that nobody took yet
const aheadMs = 9_000; // an origin holds what is not there yet for up to 5 s
const maxRounds = 4; // requests for the entries of one segment
const perRound = 200; // entries in one answer
const maxCounted = 512; // pieces that are remembered as counted
const perEdge = 6; // entries verified at once to find where a picture can begin

export class Source {
  readonly trust: Trust;
  rejected = 0;
  freshMs = 0;
  /** Is told of each entry that is new here and verified. */
  learned: (signed: SignedEntry) => void = () => undefined;
  /** Is told of each verified piece that the origin gave. */
  fetched: (signed: SignedEntry, bytes: Bytes) => void = () => undefined;
  /** Is told of each verified piece when it is claimed. */
  came: (entry: Entry) => void = () => undefined;
  private readonly counted = new Set<string>();
  private readonly books = new Map<string, Book>();
  private readonly ahead = new Map<string, Ahead>();
  private readonly closed = new AbortController();

  private constructor(
    private readonly origin: Origin,
    trust: Trust,
    private readonly meter: Meter,
  ) {
    this.trust = trust;
  }

  /** The bytes that verify are counted in `meter`. */
  static async begin(origin: Origin, m: Manifest, meter = new Meter()): Promise<Source> {
    try {
      return new Source(origin, await Trust.begin(m.genesis), meter);
    } catch (err) {
      throw new BadProof(`genesis: ${(err as Error).message}`);
    }
  }

  /** Stops all requests under way. */
  close(): void {
    this.closed.abort();
    this.ahead.clear();
  }

  /**
   * Takes in what a manifest adds: all entries, or those at the edge, which is what a
   * joiner waits for. Entries that do not verify are passed over: they are not what plays.
   */
  async learn(m: Manifest, what: "all" | "edge" = "all"): Promise<void> {
    if (!(await this.trust.isGenesis(m.genesis))) throw new BadProof("the server changed the stream's genesis while it was playing");
    try {
      for (const e of m.rotations) await this.trust.addRotation(e);
      for (const e of m.sessions) await this.trust.addSession(e);
    } catch (err) {
      throw new BadProof((err as Error).message);
    }
    for (const [r, info] of m.renditions) {
      if (what === "all") await this.takeAll(r, info.entries);
      else await this.takeEdge(r, info.entries);
    }
  }

  /** The newest entry that the origin advertised in any rendition. */
  newest(): SignedEntry | undefined {
    let found: SignedEntry | undefined;
    for (const book of this.books.values()) {
      const last = book.newest;
      if (last && (!found || last.entry.issued > found.entry.issued)) found = last;
    }
    return found;
  }

  book(r: string): Book {
    let book = this.books.get(r);
    if (!book) this.books.set(r, (book = new Book()));
    return book;
  }

  /** Starts fetching before the player asks. */
  prefetch(url: string): void {
    const w = wanted(url);
    if (!w || this.ahead.has(url)) return;
    if (this.ahead.size >= maxAhead) this.ahead.delete(this.ahead.keys().next().value!);
    const stop = new AbortController();
    const end = AbortSignal.any([stop.signal, this.closed.signal, AbortSignal.timeout(aheadMs)]);
    const made: Ahead = { stop, held: true, here: false, coming: this.fetch(url, w, end, () => (made.held = false)) };
    made.coming.then(
      () => (made.here = true),
      () => this.ahead.get(url) === made && this.ahead.delete(url),
    );
    this.ahead.set(url, made);
  }

  /** Takes back what was asked for ahead and the origin still holds. */
  dropHeld(): void {
    for (const [url, a] of this.ahead) if (a.held) this.forget(url);
  }

  /** Takes back what was asked for ahead: it came from elsewhere. */
  forget(url: string): void {
    this.ahead.get(url)?.stop.abort();
    this.ahead.delete(url);
  }

  /** Takes back all of a rendition that was asked for ahead. */
  forgetAll(r: string): void {
    for (const url of [...this.ahead.keys()]) if (wanted(url)?.r === r) this.forget(url);
  }

  /** How many answers that were asked for ahead are not here yet. */
  get coming(): number {
    return [...this.ahead.values()].filter((a) => !a.here).length;
  }

  /** Reports whether the answer for url is here or on its way. */
  isAhead(url: string): boolean {
    return this.ahead.has(url);
  }

  /** Reports whether the answer for url is here, verified, and nobody took it yet. */
  isHere(url: string): boolean {
    return this.ahead.get(url)?.here ?? false;
  }

  /** The verified bytes at url. */
  async get(url: string, w: Wanted, signal: AbortSignal): Promise<Verified> {
    const ready = this.ahead.get(url);
    if (ready) {
      this.ahead.delete(url);
      signal.addEventListener("abort", () => ready.stop.abort(), { once: true });
      try {
        return await ready.coming;
      } catch (err) {
        if (err instanceof BadPiece || err instanceof Fork) throw err;
        // It may have been asked for too early: ask again, now that it is due.
      }
    }
    return this.fetch(url, w, AbortSignal.any([signal, this.closed.signal]));
  }

  /** Fetches and verifies; a copy that does not verify is fetched once more, past all caches. */
  private async fetch(url: string, w: Wanted, signal: AbortSignal, answered = () => {}): Promise<Verified> {
    let why = "";
    for (const cache of ["default", "reload"] as const) {
      const response = await fetch(url, { cache, signal });
      answered();
      if (!response.ok) throw await httpError(response);
      const began = performance.now();
      const bytes = new Uint8Array(await response.arrayBuffer());
      const ms = performance.now() - began;
      try {
        switch (w.kind) {
          case "piece":
            return { ms, bytes, entries: await this.checkPiece(w.r, w.at, bytes, response.headers.get("Shoal-Entry"), signal) };
          case "segment":
            return { ms, bytes, entries: await this.checkSegment(w.r, w.msn, bytes, signal) };
          case "init":
            await this.checkInit(w.r, w.root, bytes, signal);
            return { ms, bytes, entries: [] };
        }
      } catch (err) {
        if (!(err instanceof Rejected)) throw err;
        this.rejected++;
        why = err.message;
      }
    }
    throw new BadPiece(why);
  }

  private async checkPiece(r: string, at: Position, bytes: Bytes, header: string | null, signal: AbortSignal): Promise<Entry[]> {
    let entry: Entry | undefined;
    if (header) {
      const envelope = await reject(() => envelopeFromHeader(header));
      entry = await this.takeOrAsk(r, envelope, signal);
      if (entry.epoch !== at.epoch || entry.n !== at.n) throw new Rejected("the entry is of another piece");
    } else {
      // A cache on the way dropped the header; the manifest has the same entry.
      entry = this.book(r).at(at)?.entry;
      if (!entry) {
        await this.learn(await this.origin.manifest({ r, epoch: at.epoch, from: at.n, to: at.n }, signal));
        entry = this.book(r).at(at)?.entry;
      }
      if (!entry) throw new Rejected("the piece has no entry");
    }
    await match(entry, bytes);
    this.count([entry]);
    const signed = this.book(r).at(at);
    if (signed) this.fetched(signed, bytes);
    return [entry];
  }

  private async checkSegment(r: string, msn: number, bytes: Bytes, signal: AbortSignal): Promise<Entry[]> {
    const entries = await this.gather(r, msn, signal);
    let at = 0;
    for (const e of entries) {
      if (!e.gap) await match(e, bytes.subarray(at, at + e.size));
      at += e.size;
    }
    if (at !== bytes.length) throw new Rejected("the segment is longer than what is signed");
    const whole = entries.filter((e) => !e.gap);
    this.count(whole);
    return whole;
  }

  /** Counts the bytes of pieces, each piece once: a segment has the bytes of pieces that came before it. */
  private count(entries: Entry[]): void {
    for (const e of entries) if (this.claim(e)) this.meter.add("origin", e.size, performance.now());
  }

  /** Reports whether a piece's bytes are yet to be counted, which whoever asks then does; with its entry where that is known. */
  claim(piece: Entry | ({ r: string } & Position)): boolean {
    const address = `${piece.r}/${piece.epoch}/${piece.n}`;
    if (this.counted.has(address)) return false;
    this.counted.add(address);
    if ("issued" in piece) this.came(piece);
    if (this.counted.size > maxCounted) this.counted.delete(this.counted.values().next().value!);
    return true;
  }

  private async checkInit(r: string, root: string, bytes: Bytes, signal: AbortSignal): Promise<void> {
    if (hex(await rootOf(bytes)) !== root) throw new Rejected("the init segment is not the one that is signed");
    if (!this.book(r).knowsInit(root)) {
      await this.learn(await this.origin.manifest(undefined, signal));
      if (!this.book(r).knowsInit(root)) throw new Rejected("no entry names this init segment");
    }
  }

  /** All entries of a segment: known ones, then what the manifest has, walking back in it. */
  private async gather(r: string, msn: number, signal: AbortSignal): Promise<Entry[]> {
    const book = this.book(r);
    for (let round = 0; round <= maxRounds; round++) {
      const found = book.segment(msn);
      if (found) return found;
      const before = round === 0 ? undefined : book.missingBefore(msn);
      if (before && before.n > 0) {
        const to = before.n - 1;
        await this.learn(await this.origin.manifest({ r, epoch: before.epoch, from: Math.max(0, to - perRound + 1), to }, signal));
      } else {
        await this.learn(await this.origin.manifest(undefined, signal));
      }
    }
    throw new Rejected("the segment's entries cannot be had");
  }

  /** Verifies an entry that came with a piece; a session record that is not known yet is asked for once. */
  private async takeOrAsk(r: string, e: Envelope, signal: AbortSignal): Promise<Entry> {
    try {
      return await reject(() => this.take(r, e));
    } catch (err) {
      if (!(err instanceof UnknownSession)) throw err;
    }
    await this.learn(await this.origin.manifest(undefined, signal));
    try {
      return await reject(() => this.take(r, e));
    } catch (err) {
      throw err instanceof UnknownSession ? new Rejected(err.message) : err;
    }
  }

  /** Takes in an entry that came by itself. */
  async takeEntry(r: string, e: Envelope): Promise<void> {
    await this.take(r, e);
  }

  /** Takes in an entry that was verified elsewhere. */
  accept(signed: SignedEntry): void {
    const fresh = this.book(signed.entry.r).add(signed);
    this.freshMs = signed.freshMs;
    if (fresh) this.learned(signed);
  }

  private takeAll(r: string, entries: Envelope[]): Promise<(Entry | void)[]> {
    return Promise.all(entries.map((e) => this.take(r, e).catch(passOver)));
  }

  /** Takes the entries from the newest keyframe on that begins a segment. */
  private async takeEdge(r: string, entries: Envelope[]): Promise<void> {
    for (let rest = entries; rest.length > 0; rest = rest.slice(0, -perEdge)) {
      const found = await this.takeAll(r, rest.slice(-perEdge));
      if (found.some((e) => e?.part === 0 && e.key)) return;
    }
  }

  private async take(r: string, e: Envelope): Promise<Entry> {
    const signed = await this.trust.open(e);
    if (signed.entry.r !== r) throw new Error("the entry is of another rendition");
    this.accept(signed);
    return signed.entry;
  }
}

/** A copy that is not what the creator signed. */
class Rejected extends Error {}

/** Runs a check; what fails in it makes the copy a rejected one, except for evidence that must be shown. */
async function reject<T>(check: () => T | Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (err) {
    if (err instanceof Fork || err instanceof UnknownSession) throw err;
    throw new Rejected((err as Error).message);
  }
}

async function match(e: Entry, bytes: Bytes): Promise<void> {
  if (e.root === null) throw new Rejected("a gap has no bytes");
  if (bytes.length !== e.size) throw new Rejected("the size is not the one that is signed");
  if (base64(await rootOf(bytes)) !== base64(e.root)) throw new Rejected("the bytes are not the ones that are signed");
}

function passOver(err: unknown): void {
  if (err instanceof Fork) throw err;
}
