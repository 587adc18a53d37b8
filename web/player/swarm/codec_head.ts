// How a Head travels (docs/spec/live-swarm.md 4.2): its payload as it is, or in short, by the members of its
// entry, of which its receiver makes the same bytes again.
import { type Bytes, equal, unhex } from "../bytes.ts";
import { type Entry, entryPayload } from "../documents.ts";
import type { Envelope } from "../dsse.ts";
import { rootOfLeaves } from "../merkle.ts";
import { kinds, Malformed } from "./codec.ts";
import { blocksOf, type Head, type Key, maxBlocks, maxFrame, type OpenHead } from "./messages.ts";
import type { Reader } from "./reader.ts";
import { frame, u16, uvarint, varint } from "./writer.ts";

const forms = { whole: 0, piece: 1, key: 2, gap: 3 } as const;

/** What BitTorrent puts before each frame: length, type and extension. */
const framing = 4 + 1 + 1;

/**
 * Notes what the short forms write of an opened head's entry, where that and the leaves give the payload again;
 * else the head travels whole. It belongs to opening a head: once the head is shared, nothing of it may change.
 */
export function shorten(h: OpenHead): void {
  delete h.members;
  try {
    if (equal(payloadOf(h.entry, h.entry.stream, h.leaves), h.payload)) h.members = membersOf(h.entry);
  } catch (e) {
    if (!(e instanceof Malformed)) throw e;
  }
}

/** The head of a verified entry and its piece's block hashes. Throws Malformed where the envelope's signature or key id has a wrong length. */
export function headOf(entry: Entry, envelope: Envelope, leaves: Bytes[]): OpenHead {
  if (envelope.sig.length !== 64 || !/^[0-9a-f]{16}$/.test(envelope.keyId)) throw new Malformed("a signature or key id of a wrong length");
  const h: OpenHead = { type: "Head", payload: envelope.payload, sig: envelope.sig, keyId: envelope.keyId, leaves, entry };
  shorten(h);
  return h;
}

/** The length of the head's frame, on a connection of its stream. */
export function frameSize(h: Head): number {
  const size = 2 + 64 + 8 + 32 * h.leaves.length;
  return h.members ? size + 1 + h.members.length : size + 2 + h.payload.length;
}

/** What sending the head costs of the uplink, in bytes. */
export function headSize(h: Head): number {
  return framing + frameSize(h);
}

/** The frame of a head. `track` declares the track of a key and returns its id; it is asked only once the rest is in order. */
export function writeHead(h: Head, stream: string, track: (k: Key) => number): Bytes {
  if (h.sig.length !== 64 || h.leaves.length > maxBlocks || h.leaves.some((l) => l.length !== 32)) throw new Malformed("a head with a signature or leaves that cannot be");
  const rest = [h.sig, unhex(h.keyId, 8), ...h.leaves];
  if (h.members && h.entry?.stream === stream) return frame(kinds.head, formOf(h.entry), track(h.entry), h.members, ...rest);
  if (h.payload.length === 0 || frameSize({ ...h, members: undefined } as Head) > maxFrame) throw new Malformed(`a head with a payload of ${h.payload.length} bytes`);
  return frame(kinds.head, forms.whole, u16(h.payload.length), h.payload, ...rest);
}

/** Reads a head; `stream` is that of the sender's Hello, `key` reads the address of a piece. */
export function readHead(r: Reader, stream: string, key: () => Key): Head {
  const form = r.u8();
  let payload: Bytes | undefined;
  let entry: Entry | undefined;
  if (form === forms.whole) {
    payload = r.take(r.u16());
    if (payload.length === 0) throw new Malformed("a head without a payload");
  } else if (form <= forms.gap) {
    entry = readMembers(r, form, key());
  } else {
    throw new Malformed(`a head of form ${form}`);
  }
  const sig = r.take(64);
  const keyId = r.hex(8);
  const count = Math.floor(r.left / 32);
  if (count > maxBlocks) throw new Malformed(`${count} leaves`);
  const leaves = Array.from({ length: count }, () => r.take(32));
  return { type: "Head", payload: payload ?? payloadOf(entry!, stream, leaves), sig, keyId, leaves };
}

function formOf(e: Entry): number {
  return e.gap ? forms.gap : e.key ? forms.key : forms.piece;
}

/** What the short forms have of an entry after its track. Throws Malformed where a number does not fit. */
function membersOf(e: Entry): Bytes {
  const parts = [uvarint(e.n), varint(e.at - e.epoch), varint(e.issued - e.at), uvarint(e.msn), uvarint(e.dsn), e.part, varint(e.pts), uvarint(e.dur)];
  if (!e.gap) parts.push(uvarint(e.size));
  if (e.part === 0) parts.push(uvarint(e.seg), uvarint(e.target), unhex(e.session!, 32), unhex(e.init!, 32));
  parts.push(unhex(e.prev, 32));
  return frame(...parts);
}

/** Reads what follows the address of a head's piece. Its stream and root are left out. */
function readMembers(r: Reader, form: number, k: Key): Entry {
  const gap = form === forms.gap;
  const at = k.epoch + r.varint();
  const issued = at + r.varint();
  const [msn, dsn, part, pts, dur] = [r.uvarint(), r.uvarint(), r.u8(), r.varint(), r.uvarint()];
  const size = gap ? 0 : r.uvarint();
  const e: Entry = { r: k.r, epoch: k.epoch, n: k.n, at, issued, msn, dsn, part, pts, dur, size, gap, key: form === forms.key, seg: 0, target: 0, stream: "", root: null, prev: "" };
  if (part === 0) {
    [e.seg, e.target] = [r.uvarint(), r.uvarint()];
    [e.session, e.init] = [r.hex(32), r.hex(32)];
  }
  e.prev = r.hex(32);
  return e;
}

/** Makes the payload of an entry that was written in short, with its leaves. */
function payloadOf(e: Entry, stream: string, leaves: Bytes[]): Bytes {
  if (leaves.length > maxBlocks || leaves.length !== blocksOf(e.size)) throw new Malformed(`${leaves.length} leaves of a piece of ${e.size} bytes`);
  try {
    return entryPayload({ ...e, stream, root: e.gap ? null : rootOfLeaves(leaves) });
  } catch (cause) {
    throw new Malformed(`a head whose entry cannot be: ${(cause as Error).message}`, { cause });
  }
}
