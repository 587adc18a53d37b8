import { type Bytes, concat, hex } from "../bytes.ts";
import { type Envelope, envelopeFromJson, envelopeJson, types } from "../dsse.ts";
import { sha256Now } from "../hashing.ts";
import type { Trust } from "../trust.ts";
import { maxEnvelope } from "./messages.ts";
import type { RecordVerdict } from "./verifier.ts";
import type { Signatures } from "./verify_signatures.ts";

// What is kept of records to pass on: all rotations, and the newest sessions beside them.
const keptRecords = 64;
const leastRecords = 8; // sessions, however many rotations there are

interface Kept {
  serial: number;
  /** Of payload and signature. */
  id: string;
  json: Bytes;
}

/** The records that a newcomer needs (5.9). */
export class Records {
  private rotations: Kept[] = []; // by serial
  private sessions: Kept[] = []; // by serial

  constructor(
    private readonly trust: Trust,
    private readonly signatures: Signatures,
  ) {}

  /** Checks the signatures of records ahead. */
  prepare(envelopes: Bytes[]): Promise<void> | undefined {
    const waits = envelopes.flatMap((json) => {
      const e = read(json);
      return (e && !this.has(idOf(e)) && this.signatures.ahead(this.trust, e)) || [];
    });
    return waits.length > 0 ? Promise.all(waits).then(() => undefined) : undefined;
  }

  /**
   * Takes in a rotation or session record. It is fresh when it was not known and is among the newest, so that what
   * is passed on does not go round in circles; changed says whether trust may judge otherwise now.
   */
  add(json: Bytes): { record: RecordVerdict; changed: boolean } {
    const e = read(json);
    if (!e) return { record: "refused", changed: false };
    const id = idOf(e);
    if (this.has(id)) return { record: "known", changed: false };
    try {
      const kept = { id, json: envelopeJson(e) };
      return { record: this.take(e, kept) ? "fresh" : "known", changed: true };
    } catch {
      return { record: "refused", changed: false };
    }
  }

  /** All rotations and the newest sessions: at most 64 envelopes, or 8 more than there are rotations. */
  list(): Bytes[] {
    const room = Math.max(keptRecords - this.rotations.length, leastRecords);
    return [...this.rotations, ...this.sessions.slice(-room)].map((r) => r.json);
  }

  private take(e: Envelope, kept: Omit<Kept, "serial">): boolean {
    if (e.payloadType === types.rotation) {
      const { serial } = this.trust.takeRotation(e, this.signatures.signed);
      const fresh = insert(this.rotations, { ...kept, serial });
      // Sessions that an older root key signed beyond its bound are forgotten.
      const valid = new Set(this.trust.serials);
      this.sessions = this.sessions.filter((r) => valid.has(r.serial));
      return fresh;
    }
    const { serial } = this.trust.takeSession(e, this.signatures.signed);
    const fresh = insert(this.sessions, { ...kept, serial });
    if (this.sessions.length <= keptRecords) return fresh;
    return this.sessions.shift()!.id !== kept.id && fresh;
  }

  private has(id: string): boolean {
    return this.sessions.some((r) => r.id === id) || this.rotations.some((r) => r.id === id);
  }
}

/** Reads a rotation or session record; undefined where bytes are neither. */
function read(json: Bytes): Envelope | undefined {
  if (json.length > maxEnvelope) return undefined;
  try {
    const e = envelopeFromJson(json);
    return e.payloadType === types.rotation || e.payloadType === types.session ? e : undefined;
  } catch {
    return undefined;
  }
}

function idOf(e: Envelope): string {
  return hex(sha256Now(concat(e.payload, e.sig)));
}

/** Keeps list by serial; reports whether there was none with r's. */
function insert(list: Kept[], r: Kept): boolean {
  const i = list.findIndex((o) => o.serial >= r.serial);
  if (i >= 0 && list[i]!.serial === r.serial) return false;
  list.splice(i < 0 ? list.length : i, 0, r);
  return true;
}
