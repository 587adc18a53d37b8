// What a page knows of one stream's keys: genesis, then rotations, then sessions. It
// says which key must have signed an entry, and refuses what does not follow.
import { base32, type Bytes, concat, equal, hex, utf8 } from "./bytes.ts";
import { type Entry, entryFrom, genesisFrom, order, type Position, rotationFrom, type Session, sessionFrom } from "./documents.ts";
import { type Envelope, keyId, open, peek, types } from "./dsse.ts";
import { sha256 } from "./hashing.ts";

/** How far the clocks of a creator's machines may be apart. */
const skewMs = 5_000;
const maxSessions = 256;

/** The session record that an entry needs is not known here: fetch the manifest again. */
export class UnknownSession extends Error {
  override name = "UnknownSession";
}

/** An entry that verified, and the digest of the payload it stood in. */
export interface SignedEntry {
  entry: Entry;
  digest: string;
  freshMs: number;
}

interface Known {
  session: Session;
  digest: string;
}

export class Trust {
  private roots: Bytes[];
  /** bounds[i] is the last session serial that roots[i] may have signed, once it is succeeded. */
  private readonly bounds: number[] = [];
  private next: Bytes;
  private serial = 0;
  private sessions: Known[] = [];

  private constructor(
    readonly id: string,
    readonly name: string,
    root: Bytes,
    next: Bytes,
  ) {
    this.roots = [root];
    this.next = next;
  }

  /** Begins from a genesis, which proves itself: its own key signed it and its hash is the stream's id. */
  static async begin(e: Envelope): Promise<Trust> {
    const claimed = genesisFrom(peek(e, types.genesis));
    const g = genesisFrom(await open(e, types.genesis, claimed.root));
    const digest = await sha256(concat(utf8("shoal-stream-v1"), e.payload));
    return new Trust(base32(digest.subarray(0, 20)), g.name, g.root, g.next);
  }

  /** The creator's present root key. */
  get rootKey(): Bytes {
    return this.roots.at(-1)!;
  }

  /** Takes a hand-over to the successor that the document before it promised. Known ones are passed over. */
  async addRotation(e: Envelope): Promise<void> {
    const claimed = rotationFrom(peek(e, types.rotation));
    if (claimed.stream !== this.id) throw new Error("the key rotation is of another stream");
    if (claimed.serial <= this.serial) return;
    if (claimed.serial !== this.serial + 1) throw new Error("a key rotation is missing in between");
    if (!equal(await sha256(claimed.root), this.next)) throw new Error("the new root key is not the promised one");
    const r = rotationFrom(await open(e, types.rotation, claimed.root));
    this.roots.push(r.root);
    this.bounds.push(r.sessions);
    this.next = r.next;
    this.serial = r.serial;
  }

  /** Takes a session record signed by a root key of this stream. Known ones are passed over. */
  async addSession(e: Envelope): Promise<void> {
    const digest = hex(await sha256(e.payload));
    if (this.sessions.some((k) => k.digest === digest)) return;
    const session = sessionFrom(await this.openWithRoot(e));
    if (session.stream !== this.id) throw new Error("the session record is of another stream");
    const twin = this.sessions.find((k) => k.session.serial === session.serial);
    if (twin) throw new Error("two session records have one serial");
    this.sessions.push({ session, digest });
    this.sessions.sort((a, b) => a.session.serial - b.session.serial);
    if (this.sessions.length > maxSessions) this.sessions.shift();
  }

  /** Verifies an entry by the session in force at its position. */
  async open(e: Envelope): Promise<SignedEntry> {
    const claimed = entryFrom(peek(e, types.entry));
    if (claimed.stream !== this.id) throw new Error("the entry is of another stream");
    const known = this.sessionAt(claimed);
    if (!known) throw new UnknownSession("no session record covers this entry");
    const { session } = known;
    try {
      await open(e, types.entry, session.key);
    } catch (err) {
      // A newer record may be in force that this page has not seen.
      if (claimed.session && claimed.session !== known.digest) throw new UnknownSession("the entry names a session record that is not known");
      throw err;
    }
    if (claimed.session && claimed.session !== known.digest) throw new Error("the entry names another session record than the one in force");
    if (claimed.issued < session.notBefore - skewMs || claimed.issued > session.notAfter + skewMs) {
      throw new Error("the entry was signed outside the time its session key was lent for");
    }
    return { entry: claimed, digest: hex(await sha256(e.payload)), freshMs: session.freshMs };
  }

  /** The record with the highest serial whose start is at or before p. */
  sessionAt(p: Position): Known | undefined {
    return this.sessions.findLast((k) => order(k.session.from, p) <= 0);
  }

  private async openWithRoot(e: Envelope): ReturnType<typeof open> {
    const said = peek(e, types.session);
    for (let i = this.roots.length - 1; i >= 0; i--) {
      if (e.keyId !== (await keyId(this.roots[i]!))) continue;
      if (Number(said["serial"]) > (this.bounds[i] ?? Number.POSITIVE_INFINITY)) {
        throw new Error("the session record was signed by a root key after its time");
      }
      return open(e, types.session, this.roots[i]!);
    }
    throw new Error("the session record is not signed by a root key of this stream");
  }
}

/** A key for people to compare: the first 16 bytes of its SHA-256, in groups. */
export async function fingerprint(key: Bytes): Promise<string> {
  return hex((await sha256(key)).subarray(0, 16)).replace(/(.{4})(?=.)/g, "$1 ");
}
