// A few nodes on links with a fixed delay, in virtual time, with everything real between them: frames, signatures
// and blocks. Tests only.
import { type Bytes, equal } from "../../player/bytes.ts";
import { type Entry, entryPayload } from "../../player/documents.ts";
import { type Envelope, envelopeFrom } from "../../player/dsse.ts";
import { sha256Now } from "../../player/hashing.ts";
import { blockSize, rootOfLeaves } from "../../player/merkle.ts";
import { Decoder } from "../../player/swarm/codec_decode.ts";
import { Encoder } from "../../player/swarm/codec_encode.ts";
import { headOf } from "../../player/swarm/codec_head.ts";
import { type Effects, sources } from "../../player/swarm/effects.ts";
import { join, type Key, type Message, type OpenHead, type PeerId, type Reason, type Role } from "../../player/swarm/messages.ts";
import { Node } from "../../player/swarm/node.ts";
import { millisecond, type Time } from "../../player/swarm/time.ts";
import { Trusted } from "../../player/swarm/verify.ts";
import { Trust } from "../../player/trust.ts";
import { digestOf, type Dsse, genesis, newKey, session, signBytes } from "../support/signer.ts";

export const epoch = 1_790_000_000_000;
const pieceMs = 200;

/** A creator and their film: pieces of 200 ms, a keyframe every second. */
export class Author {
  private readonly root = newKey();
  private readonly key = newKey();
  private readonly made = genesis(this.root, newKey(), "film");
  readonly record: Dsse = session(this.root, this.made.id, this.key, { not_before: epoch - 1000, not_after: epoch + 3_600_000 });
  private readonly prev = new Map<string, string>(); // by rendition

  get stream(): string {
    return this.made.id;
  }

  async verifier(): Promise<Trusted> {
    const trusted = new Trusted(await Trust.begin(envelopeFrom(this.made.envelope)));
    trusted.addRecord(new TextEncoder().encode(JSON.stringify(this.record)));
    return trusted;
  }

  /** The creator's genesis. */
  get genesis(): Dsse {
    return this.made.envelope;
  }

  /** Signs piece n; those of a rendition are to be made in order. */
  piece(n: number, size: number, r = "v0"): { head: OpenHead; data: Bytes; envelope: Envelope } {
    const data = new Uint8Array(size).map((_, k) => (k * 7 + n * 13) ^ (k >> 8));
    const leaves: Bytes[] = [];
    for (let at = 0; at < size; at += blockSize) leaves.push(sha256Now(data.subarray(at, at + blockSize)));
    const at = epoch + n * pieceMs;
    const entry: Entry = {
      ...{ stream: this.stream, r, epoch, n, prev: this.prev.get(r) ?? digestOf(this.record), issued: at + 10, at, msn: Math.floor(n / 5), dsn: 0, part: n % 5, key: n % 5 === 0 },
      ...{ pts: n * 18_000, dur: 18_000, size, root: rootOfLeaves(leaves), gap: false, seg: 0, target: 0 },
      ...(n % 5 === 0 ? { seg: n / 5, target: 18_000, session: digestOf(this.record), init: "11".repeat(32) } : {}),
    };
    const signed = signBytes(this.key, "application/vnd.shoal.entry.v1+json", entryPayload(entry));
    this.prev.set(r, digestOf(signed));
    const envelope = envelopeFrom(signed);
    return { head: headOf(entry, envelope, leaves), data, envelope };
  }
}

interface End {
  to: Member;
  conn: number; // there
  encoder: Encoder;
  decoder: Decoder;
}

/** One node of the mesh and what became of it. */
export class Member {
  readonly ends = new Map<number, End>();
  readonly pieces = new Map<string, Bytes>();
  readonly drops: Reason[] = [];
  /** May change what it sends. */
  spoil: (m: Message) => Message = (m) => m;

  constructor(readonly node: Node) {}
}

export class Mesh {
  now: Time = 0;
  readonly members: Member[] = [];
  private readonly queue: { at: Time; run: () => void }[] = []; // in order: all links take as long
  private conns = 0;

  constructor(
    private readonly author: Author,
    private readonly delay: Time,
  ) {}

  async join(role: Role, up: number, others: string[] = []): Promise<Member> {
    const id: PeerId = (this.members.length + 1).toString(16).padStart(32, "0");
    const wants = role === "viewer" ? ["v0"] : [];
    const m = new Member(new Node({ stream: this.author.stream, id, role, verifier: await this.author.verifier(), wants, others, up, noOrigin: true, random: this.members.length + 1 }));
    for (const other of this.members) this.connect(m, other);
    this.members.push(m);
    return m;
  }

  /** Gives a piece, or one of each rendition, to a member and lets the time pass that it lasts. */
  play(to: Member, ...pieces: { head: OpenHead; data: Bytes }[]): void {
    for (const piece of pieces) to.node.add(this.now, piece.head, piece.data, sources.origin);
    this.take(to);
    this.run(pieceMs * millisecond);
  }

  run(span: Time): void {
    const until = this.now + span;
    for (;;) {
      const due = this.members.reduce((a, b) => (b.node.wake() < a.node.wake() ? b : a));
      const wake = Math.max(due.node.wake(), this.now);
      const next = this.queue[0];
      if (Math.min(next?.at ?? until, wake) >= until) break;
      if (next && next.at <= wake) {
        this.queue.shift();
        this.now = next.at;
        next.run();
      } else {
        this.now = wake;
        due.node.tick(wake);
        this.take(due);
      }
    }
    this.now = until;
  }

  private connect(a: Member, b: Member): void {
    const [there, here] = [++this.conns, ++this.conns];
    a.ends.set(here, { to: b, conn: there, encoder: new Encoder(), decoder: new Decoder() });
    b.ends.set(there, { to: a, conn: here, encoder: new Encoder(), decoder: new Decoder() });
    a.node.connected(this.now, here, { address: null, outbound: true });
    b.node.connected(this.now, there, { address: null, outbound: false });
    this.take(a);
    this.take(b);
  }

  /** Does what a member wants done. */
  take(m: Member): void {
    const e: Effects = m.node.effects();
    for (const { to, message } of e.send) {
      const end = m.ends.get(to);
      if (end) for (const frame of end.encoder.encode(m.spoil(message))) this.later(() => this.deliver(end, frame));
    }
    for (const { conn, reason } of e.drop) {
      m.drops.push(reason);
      const end = m.ends.get(conn);
      m.ends.delete(conn);
      if (end) this.later(() => this.close(end));
    }
    for (const p of e.pieces) m.pieces.set(name(p.head.entry), join(p.blocks));
  }

  private deliver(end: End, frame: Bytes): void {
    const there = end.to.ends.get(end.conn);
    const m = there?.decoder.decode(frame);
    if (!m) return;
    end.to.node.receive(this.now, end.conn, m);
    this.take(end.to);
  }

  private close(end: End): void {
    if (!end.to.ends.delete(end.conn)) return;
    end.to.node.closed(this.now, end.conn);
    this.take(end.to);
  }

  private later(run: () => void): void {
    this.queue.push({ at: this.now + this.delay, run });
  }
}

export function name(k: Key): string {
  return `${k.r}/${k.epoch}/${k.n}`;
}

/** Reports whether a member has a piece, and as it was made. */
export function has(m: Member, piece: { head: OpenHead; data: Bytes }): boolean {
  const data = m.pieces.get(name(piece.head.entry));
  return data !== undefined && equal(data, piece.data);
}

