// What a page knows of one stream's keys: genesis, then rotations, then sessions. It
// says which key must have signed an entry, and refuses what does not follow.
import { base32, type Bytes, concat, equal, hex, utf8 } from "./bytes.ts";
import { type Entry, entryFrom, type Genesis, genesisFrom, order, type Position, type Rotation, rotationFrom, type Session, sessionFrom } from "./documents.ts";
import { type Envelope, keyId, open, peek, types } from "./dsse.ts";
import { sha256 } from "./hashing.ts";

/** How far the clocks of a creator's machines may be apart. */
const skewMs = 5_000;
const maxSessions = 256;
const maxRotations = 64;

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
    const claimed = rotationFrom(peek(e, types.rotation));
    const r = rotationFrom(await open(e, types.rotation, claimed.root));
    if (r.stream !== this.id) throw new Error("the key rotation is of another stream");
    const known = this.rotations[r.serial - 1];
    if (known) {
      if (!equal(known.root, r.root) || !equal(known.next, r.next) || known.sessions !== r.sessions) {
        throw new Error("the root key was handed over in two different ways");
      }
      return;
    }
    const before = this.rotations.at(-1);
    if (r.serial !== this.rotations.length + 1 || r.serial > maxRotations) throw new Error("a key rotation is missing in between");
    if (!equal(await sha256(r.root), before?.next ?? this.genesis.next) || r.sessions < (before?.sessions ?? 0)) {
      throw new Error("the new root key is not the promised one");
    }
    this.rotations.push(r);
    // Whatever the replaced key signed beyond its bound was never the creator's.
    this.sessions = this.sessions.filter((k) => equal(k.signer, this.rootFor(k.session.serial)));
  }

  /** Takes a session record signed by the root key of its time. Known ones are passed over. */
  async addSession(e: Envelope): Promise<void> {
    const digest = hex(await sha256(e.payload));
    if (this.sessions.some((k) => k.digest === digest)) return;
    const signer = this.rootFor(sessionFrom(peek(e, types.session)).serial);
    const session = sessionFrom(await open(e, types.session, signer));
    if (session.stream !== this.id) throw new Error("the session record is of another stream");
    const name = await keyId(session.key);
    const twin = this.sessions.find((k) => k.session.serial === session.serial);
    if (twin?.digest === digest) return;
    if (twin) throw new Error("the root key signed two session records with one serial");
    this.sessions.push({ session, digest, keyId: name, signer });
    this.sessions.sort((a, b) => a.session.serial - b.session.serial);
    if (this.sessions.length > maxSessions) this.sessions.shift();
  }

  /** Verifies an entry by the session in force at its position. */
  async open(e: Envelope): Promise<SignedEntry> {
    const claimed = entryFrom(peek(e, types.entry));
    if (claimed.stream !== this.id) throw new Error("the entry is of another stream");
    const known = this.sessionAt(claimed);
    if (!known || !this.sessions.some((k) => k.keyId === e.keyId)) throw new UnknownSession("no session record covers this entry");
    const { session } = known;
    await open(e, types.entry, session.key);
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
