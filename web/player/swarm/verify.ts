import { type Bytes, concat, equal, hex, unhex } from "../bytes.ts";
import { NotUnderstood, order } from "../documents.ts";
import { sha256Now } from "../hashing.ts";
import { rootNow, rootOfLeaves } from "../merkle.ts";
import { type SignedEntry, type Trust, UnknownSession } from "../trust.ts";
import { Chain } from "./chain.ts";
import { shorten } from "./codec_head.ts";
import { blockLen, blocksOf, envelopeOf, type Head, maxInit, maxTracks, type Message, type OpenHead } from "./messages.ts";
import type { RecordVerdict, Verdict, Verifier } from "./verifier.ts";
import { type FoundFork, Forks } from "./verify_forks.ts";
import { Records } from "./verify_records.ts";
import { Signatures } from "./verify_signatures.ts";
import { u32 } from "./writer.ts";

/**
 * The Verifier of what a creator signed (docs/spec/live-swarm.md 5). What it accepts is held against all that it
 * accepted before, one chain a rendition; it may come in any order.
 */
export class Trusted implements Verifier {
  private readonly signatures = new Signatures();
  private chains: { r: string; chain: Chain }[] = [];
  private readonly opened = new Opened();
  private readonly known: Records;
  private readonly found = new Forks();

  /** A verifier of the stream that trust knows, which others may share and add to. records() gives only what was taken in by addRecord. */
  constructor(private readonly trust: Trust) {
    this.known = new Records(trust, this.signatures);
  }

  /**
   * Does ahead what may be waited for of judging a message: the browser checks its signatures. Undefined where
   * there is nothing to wait for. No verdict depends on it, only how long that takes.
   */
  prepare(m: Message): Promise<void> | undefined {
    if (m.type === "Records") return this.known.prepare(m.envelopes);
    if (m.type !== "Head" || this.opened.find(idOf(m))) return undefined;
    return this.signatures.ahead(this.trust, envelopeOf(m));
  }

  /** Checks a head by its form, stream, session, signature and issue, its leaves against the signed root, and its links to those around it. One that was opened before costs a hash. */
  openHead(h: Head): Verdict {
    const id = idOf(h);
    const known = this.opened.find(id);
    if (known) {
      h.entry = known.entry;
      h.members = known.members;
      return "genuine";
    }
    const signed = this.judge(h);
    if (typeof signed === "string") return signed;
    if (!this.link(h, signed)) return "useless";
    const open: OpenHead = Object.assign(h, { entry: signed.entry });
    shorten(open);
    this.opened.add(id, open);
    return "genuine";
  }

  block(h: OpenHead, i: number, data: Bytes): boolean {
    const leaf = h.leaves[i];
    return leaf !== undefined && data.length === blockLen(h.entry.size, i) && equal(sha256Now(data), leaf);
  }

  init(root: string, data: Bytes): boolean {
    return data.length > 0 && data.length <= maxInit && hex(rootNow(data)) === root;
  }

  addRecord(envelope: Bytes): RecordVerdict {
    const verdict = this.known.add(envelope);
    if (verdict.changed) this.opened.forget();
    return verdict.record;
  }

  records(): Bytes[] {
    return this.known.list();
  }

  /** The forks that were found since it was asked last, each once, at most 8. */
  forks(): FoundFork[] {
    return this.found.take();
  }

  /** Checks what a head says by itself. */
  private judge(h: Head): SignedEntry | Verdict {
    try {
      const signed = this.trust.judge(envelopeOf(h), this.signatures.signed);
      const { size, root } = signed.entry;
      const fits = h.leaves.length === blocksOf(size) && (root === null || equal(rootOfLeaves(h.leaves), root));
      return fits ? signed : "false";
    } catch (e) {
      return e instanceof UnknownSession ? "unknown" : e instanceof NotUnderstood ? "useless" : "false";
    }
  }

  /** Holds a genuine entry against its rendition's others. */
  private link(h: Head, { entry, digest }: SignedEntry): boolean {
    const breach = this.chain(entry)?.check(entry, digest);
    if (breach?.kind === "fork") this.found.add(h, entry, digest, breach, this.opened.heads());
    return breach === null;
  }

  /** The chain that an entry belongs to; undefined where others are all newer and there is no room. */
  private chain(e: SignedEntry["entry"]): Chain | undefined {
    const known = this.chains.find((c) => c.r === e.r);
    if (known) return known.chain;
    const fresh = { r: e.r, chain: new Chain() };
    if (this.chains.length < maxTracks) {
      this.chains.push(fresh);
      return fresh.chain;
    }
    const oldest = this.chains.reduce((a, b) => (order(b.chain.newest!, a.chain.newest!) < 0 ? b : a));
    if (order(oldest.chain.newest!, e) >= 0) return undefined;
    this.chains[this.chains.indexOf(oldest)] = fresh;
    return fresh.chain;
  }
}

const maxOpened = 256;

/** The newest heads that were opened, so that another who pushes the same costs no signature check, and forks can be proven. */
class Opened {
  private readonly byId = new Map<string, OpenHead>();
  private readonly ring: { id: string; head: OpenHead }[] = [];
  private next = 0;

  find(id: string): OpenHead | undefined {
    return this.byId.get(id);
  }

  add(id: string, head: OpenHead): void {
    const old = this.ring[this.next];
    if (old && this.byId.get(old.id) === old.head) this.byId.delete(old.id);
    this.byId.set(id, head);
    this.ring[this.next] = { id, head };
    this.next = (this.next + 1) % maxOpened;
  }

  heads(): OpenHead[] {
    return this.ring.map((o) => o.head);
  }

  /** Makes everything be judged anew, by records that came since. */
  forget(): void {
    this.byId.clear();
  }
}

/** A digest of everything in a head that a sender chooses. */
function idOf(h: Head): string {
  return hex(sha256Now(concat(u32(h.payload.length), h.payload, h.sig, unhex(h.keyId, 8), ...h.leaves)));
}

