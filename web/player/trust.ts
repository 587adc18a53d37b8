// What a page knows of one stream's keys: genesis, then rotations, then sessions. It
// says which key must have signed an entry, and refuses what does not follow.
//
// Checking a signature may have to be waited for; deciding what follows from it must not be, or two documents
// that are under way at once might be judged by different states. So what waits only learns whether the key
// that must have signed did, and what decides is told so by a Signed.
import { base32, type Bytes, concat, equal, hex, utf8 } from "./bytes.ts";
import { type Entry, entryFrom, type Genesis, genesisFrom, order, type Position, type Rotation, rotationFrom, type Session, sessionFrom } from "./documents.ts";
import { type Envelope, keyId, NotSigned, open, peek, signedBy, types } from "./dsse.ts";
import { sha256, sha256Now } from "./hashing.ts";

/** How far the clocks of a creator's machines may be apart. */
const skewMs = 5_000;
const maxSessions = 256;
const maxRotations = 64;

/** The session record that an entry needs is not known here: fetch the manifest again. */
export class UnknownSession extends Error {
  override name = "UnknownSession";
}

/** Says whether a key signed an envelope, and the envelope says so. */
export type Signed = (e: Envelope, key: Bytes) => boolean;

/** An entry that verified, and the digest of the payload it stood in. */
export interface SignedEntry {
  entry: Entry;
  digest: string;
  freshMs: number;
  envelope: Envelope;
}

interface Known {
  session: Session;
  digest: string;
  keyId: string;
  signer: Bytes;
}

export class Trust {
  private readonly rotations: Rotation[] = [];
  private sessions: Known[] = [];

  private constructor(
    readonly id: string,
    private readonly genesis: Genesis,
  ) {}

  /** Begins from a genesis, which proves itself: its own key signed it and its hash is the stream's id. */
  static async begin(e: Envelope): Promise<Trust> {
    const claimed = genesisFrom(peek(e, types.genesis));
    const genesis = genesisFrom(await open(e, types.genesis, claimed.root));
    return new Trust(await streamId(e), genesis);
  }

  /** Reports whether e says what the genesis of this stream said. */
  async isGenesis(e: Envelope): Promise<boolean> {
    return e.payloadType === types.genesis && (await streamId(e)) === this.id;
  }

  get name(): string {
    return this.genesis.name;
  }

  /** The creator's present root key. */
  get rootKey(): Bytes {
    return this.rotations.at(-1)?.root ?? this.genesis.root;
  }

  /** Takes a hand-over to the successor that the document before it promised. Known ones are passed over. */
  async addRotation(e: Envelope): Promise<void> {
    this.takeRotation(e, await this.asked(e));
  }

  /** Takes a session record signed by the root key of its time. Known ones are passed over. */
  async addSession(e: Envelope): Promise<void> {
    const digest = hex(sha256Now(e.payload));
    if (this.sessions.some((k) => k.digest === digest)) return;
    this.takeSession(e, await this.asked(e));
  }

  /** Verifies an entry by the session in force at its position. */
  async open(e: Envelope): Promise<SignedEntry> {
    return this.judge(e, await this.asked(e));
  }

  /** The key that must have signed a document, by what is known so far. Throws where there is none, UnknownSession where it may be learned. */
  signer(e: Envelope): Bytes {
    switch (e.payloadType) {
      case types.rotation:
        return rotationFrom(peek(e, types.rotation)).root;
      case types.session:
        return this.rootFor(sessionFrom(peek(e, types.session)).serial);
    }
    return this.inForce(e, this.entry(e)).session.key;
  }

  /** addRotation without waiting. */
  takeRotation(e: Envelope, signed: Signed): Rotation {
    const r = rotationFrom(peek(e, types.rotation));
    if (!signed(e, r.root)) throw new NotSigned();
    if (r.stream !== this.id) throw new Error("the key rotation is of another stream");
    const known = this.rotations[r.serial - 1];
    if (known) {
      if (!equal(known.root, r.root) || !equal(known.next, r.next) || known.sessions !== r.sessions) {
        throw new Error("the root key was handed over in two different ways");
      }
      return r;
    }
    const before = this.rotations.at(-1);
    if (r.serial !== this.rotations.length + 1 || r.serial > maxRotations) throw new Error("a key rotation is missing in between");
    if (!equal(sha256Now(r.root), before?.next ?? this.genesis.next) || r.sessions < (before?.sessions ?? 0)) {
      throw new Error("the new root key is not the promised one");
    }
    this.rotations.push(r);
    // Whatever the replaced key signed beyond its bound was never the creator's.
    this.sessions = this.sessions.filter((k) => equal(k.signer, this.rootFor(k.session.serial)));
    return r;
  }

  /** addSession without waiting. The signature is asked for even where the record is known. */
  takeSession(e: Envelope, signed: Signed): Session {
    const session = sessionFrom(peek(e, types.session));
    const signer = this.rootFor(session.serial);
    if (!signed(e, signer)) throw new NotSigned();
    if (session.stream !== this.id) throw new Error("the session record is of another stream");
    const digest = hex(sha256Now(e.payload));
    const twin = this.sessions.find((k) => k.session.serial === session.serial);
    if (twin?.digest === digest) return session;
    if (twin) throw new Error("the root key signed two session records with one serial");
    this.sessions.push({ session, digest, keyId: keyId(session.key), signer });
    this.sessions.sort((a, b) => a.session.serial - b.session.serial);
    if (this.sessions.length > maxSessions) this.sessions.shift();
    return session;
  }

  /** open without waiting. */
  judge(e: Envelope, signed: Signed): SignedEntry {
    const entry = this.entry(e);
    const known = this.inForce(e, entry);
    const { session } = known;
    if (!signed(e, session.key)) throw new NotSigned();
    if (entry.session && entry.session !== known.digest) throw new Error("the entry names another session record than the one in force");
    if (entry.issued < session.notBefore - skewMs || entry.issued > session.notAfter + skewMs) {
      throw new Error("the entry was signed outside the time its session key was lent for");
    }
    return { entry, digest: hex(sha256Now(e.payload)), freshMs: session.freshMs, envelope: e };
  }

  /** The serials of the session records that are known. */
  get serials(): number[] {
    return this.sessions.map((k) => k.session.serial);
  }

  private async asked(e: Envelope): Promise<Signed> {
    const key = this.signer(e);
    const yes = await signedBy(e, key);
    return (_, k) => yes && equal(k, key);
  }

  private entry(e: Envelope): Entry {
    const entry = entryFrom(peek(e, types.entry));
    if (entry.stream !== this.id) throw new Error("the entry is of another stream");
    return entry;
  }

  private inForce(e: Envelope, entry: Entry): Known {
    const known = this.sessionAt(entry);
    if (!known || !this.sessions.some((k) => k.keyId === e.keyId)) throw new UnknownSession("no session record covers this entry");
    return known;
  }

  /** The record with the highest serial whose start is at or before p. */
  sessionAt(p: Position): Known | undefined {
    return this.sessions.findLast((k) => order(k.session.from, p) <= 0);
  }

  /** The root key that may sign the session record with this serial. */
  private rootFor(serial: number): Bytes {
    return this.rotations.findLast((r) => serial > r.sessions)?.root ?? this.genesis.root;
  }
}

/** A stream is called by the hash of its genesis. */
async function streamId(genesis: Envelope): Promise<string> {
  const digest = await sha256(concat(utf8("shoal-stream-v1"), genesis.payload));
  return base32(digest.subarray(0, 20));
}

/** A key for people to compare: the first 16 bytes of its SHA-256, in groups. */
export async function fingerprint(key: Bytes): Promise<string> {
  return hex((await sha256(key)).subarray(0, 16)).replace(/(.{4})(?=.)/g, "$1 ");
}
