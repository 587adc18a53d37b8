// A stream as the creator's machines make it: pieces of a clip in real time, each with
// its signed entry. Tests turn its faults on.
import { type Bytes, hex } from "../../player/bytes.ts";
import { rootOf } from "../../player/merkle.ts";
import type { Clip } from "./clip.ts";
import { digestOf, type Dsse, genesis, type Key, newKey, session, type SessionFields, sign } from "./signer.ts";

export interface Made {
  entry: Record<string, unknown> & { r: string; epoch: number; n: number; msn: number; dsn: number; part: number; pts: number; dur: number; at: number };
  envelope: Dsse;
  data: Bytes;
  key: boolean;
}

/** One rendition: what is encoded of it, and what was made. */
interface Track {
  clip: Clip;
  initRoot: string;
  roots: Map<Bytes, string>;
  made: Made[];
  msn: number;
}

async function track(clip: Clip): Promise<Track> {
  const roots = new Map<Bytes, string>();
  for (const c of clip.cuts) roots.set(c.data, hex(await rootOf(c.data)));
  return { clip, roots, initRoot: hex(await rootOf(clip.init)), made: [], msn: -1 };
}

export class TestStream {
  readonly root: Key;
  readonly id: string;
  readonly genesis: Dsse;
  readonly sessions: Dsse[] = [];
  live = false;
  epoch = 0;
  freshMs = 5_000;
  private sessionKey: Key = newKey();
  private readonly waiting = new Set<() => void>();
  private timer: NodeJS.Timeout | undefined;
  private dsn = -1;

  private constructor(
    readonly name: string,
    readonly renditions: Map<string, Track>,
  ) {
    this.root = newKey();
    const made = genesis(this.root, newKey(), name);
    this.genesis = made.envelope;
    this.id = made.id;
  }

  /** A stream of one rendition, v0, or of more whose clips are cut at the same moments. */
  static async of(name: string, clip: Clip, fields: SessionFields = {}, more: Record<string, Clip> = {}): Promise<TestStream> {
    const renditions = new Map<string, Track>();
    for (const [r, c] of Object.entries({ v0: clip, ...more })) renditions.set(r, await track(c));
    const s = new TestStream(name, renditions);
    s.freshMs = fields.fresh_ms ?? s.freshMs;
    s.sessions.push(session(s.root, s.id, s.sessionKey, fields));
    return s;
  }

  get clip(): Clip {
    return this.renditions.get("v0")!.clip;
  }

  get made(): Made[] {
    return this.renditions.get("v0")!.made;
  }

  get initRoot(): string {
    return this.renditions.get("v0")!.initRoot;
  }

  /** Begins an epoch, `past` seconds of which have been played already. */
  publish(past = 0): void {
    const began = Date.now() - past * 1000;
    this.epoch = Math.max(began, this.epoch + 1);
    this.live = true;
    this.dsn++;
    let i = 0;
    const step = () => {
      for (;;) {
        const cut = this.clip.cuts[i];
        if (!cut || !this.live) return;
        const due = began + (cut.pts + cut.dur) / 90 - Date.now();
        if (due > 0) {
          this.timer = setTimeout(step, due);
          return;
        }
        for (const [r, t] of this.renditions) this.add(r, t, i, began + cut.pts / 90);
        this.tell();
        i++;
      }
    };
    step();
  }

  /** Stops making pieces while still calling itself live. */
  freeze(): void {
    clearTimeout(this.timer);
  }

  end(): void {
    this.freeze();
    this.live = false;
    this.tell();
  }

  /** Hands over to another session key from the next piece on; the record is known only when `announce` says so. */
  rotate(announce = true): () => void {
    const last = this.made.at(-1)!.entry;
    this.sessionKey = newKey();
    const record = session(this.root, this.id, this.sessionKey, {
      serial: this.sessions.length + 1,
      from: { epoch: last.epoch, n: last.n + 1 },
      fresh_ms: this.freshMs,
    });
    this.latest = record;
    const publish = () => void this.sessions.push(record);
    if (announce) publish();
    return publish;
  }

  /** Resolves at the next change, or after ms. */
  next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.waiting.add(done);
    });
  }

  find(epoch: number, n: number, r = "v0"): Made | undefined {
    return this.renditions.get(r)?.made.find((m) => m.entry.epoch === epoch && m.entry.n === n);
  }

  private latest: Dsse | undefined;

  private add(r: string, t: Track, n: number, at: number): void {
    const cut = t.clip.cuts[n]!;
    const record = this.latest ?? this.sessions.at(-1)!;
    const before = t.made.at(-1);
    const starts = cut.key || n === 0;
    if (starts) t.msn++;
    const part = starts ? 0 : (before?.entry.part ?? -1) + 1;
    const entry = {
      v: 1,
      stream: this.id,
      r,
      epoch: this.epoch,
      n,
      prev: n === 0 ? digestOf(record) : digestOf(before!.envelope),
      issued: Date.now(),
      at: Math.round(at),
      msn: t.msn,
      dsn: this.dsn,
      part,
      ...(cut.key ? { key: true } : {}),
      pts: cut.pts,
      dur: cut.dur,
      size: cut.data.length,
      root: t.roots.get(cut.data)!,
      ...(starts ? { target: 27_000, session: digestOf(record), init: t.initRoot } : {}),
    };
    const made = { entry, envelope: sign(this.sessionKey, "entry", entry), data: cut.data, key: cut.key };
    t.made.push(made);
    if (t.made.length > 300) t.made.shift();
  }

  private tell(): void {
    for (const wake of [...this.waiting]) wake();
  }
}
