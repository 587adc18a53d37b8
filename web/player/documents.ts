// The four documents a stream is proven by, read from verified payloads into types.
// Ticks are 1/90000 s.
import { type Bytes, hex, unbase64, unhex, utf8 } from "./bytes.ts";
import { sound } from "./points.ts";
import type { Json } from "./strictjson.ts";

type Payload = { [key: string]: Json };

export interface Position {
  epoch: number;
  n: number;
}

/** Where a stream begins: its first root key and the hash of the next one. */
export interface Genesis {
  name: string;
  root: Bytes;
  next: Bytes;
}

/** Hands a stream over to the root key that was promised. */
export interface Rotation {
  stream: string;
  serial: number;
  root: Bytes;
  next: Bytes;
  /** The last session serial that an earlier root key may have signed. */
  sessions: number;
}

/** Lends a stream to a session key for a while, from a position on. */
export interface Session {
  stream: string;
  serial: number;
  key: Bytes;
  from: Position;
  notBefore: number; // Unix ms
  notAfter: number; // Unix ms
  freshMs: number;
}

/** The record of one piece, or of a gap where one was lost. */
export interface Entry extends Position {
  stream: string;
  r: string;
  prev: string; // hex of the SHA-256 of the payload before
  issued: number; // Unix ms
  at: number; // Unix ms when ingest had its first sample
  msn: number;
  dsn: number;
  part: number;
  key: boolean;
  pts: number; // ticks from the epoch's zero
  dur: number; // ticks
  size: number;
  root: Bytes | null; // null for a gap
  gap: boolean;
  /** The rest belongs to a segment's first entry (part 0), and only there. */
  seg: number; // the publisher's own number of the segment; 0 elsewhere
  target: number; // ticks; no entry of the segment lasts longer; 0 elsewhere
  session?: string;
  init?: string;
}

/** Ticks in a second. */
export const timescale = 90_000;

const maxPiece = 4 << 20;
const maxParts = 128; // in a segment
const maxSegment = (44 * timescale) / 10; // ticks
const maxSessionMs = 24 * 3600 * 1000;
const maxFreshMs = 60_000;

export function genesisFrom(p: Payload): Genesis {
  version(p, "genesis");
  return { name: text(p, "name"), root: key(p, "root"), next: unhex(text(p, "next"), 32) };
}

export function rotationFrom(p: Payload): Rotation {
  version(p, "rotation");
  return {
    stream: text(p, "stream"),
    serial: count(p, "serial"),
    root: key(p, "root"),
    next: unhex(text(p, "next"), 32),
    sessions: count(p, "sessions"),
  };
}

export function sessionFrom(p: Payload): Session {
  version(p, "session");
  const from = p["from"];
  if (typeof from !== "object" || from === null || Array.isArray(from)) throw new Error("from must be a position");
  const s: Session = {
    stream: text(p, "stream"),
    serial: count(p, "serial"),
    key: key(p, "key"),
    from: position(from),
    notBefore: count(p, "not_before"),
    notAfter: count(p, "not_after"),
    freshMs: count(p, "fresh_ms"),
  };
  if (s.serial === 0) throw new Error("serials begin at 1");
  if (s.notAfter <= s.notBefore || s.notAfter - s.notBefore > maxSessionMs) throw new Error("a session lasts at most 24 hours");
  if (s.freshMs === 0 || s.freshMs > maxFreshMs) throw new Error("fresh_ms must be 1 to 60000");
  return s;
}

export function entryFrom(p: Payload): Entry {
  version(p, "entry");
  const gap = flag(p, "gap");
  const e: Entry = {
    ...position(p),
    stream: text(p, "stream"),
    r: text(p, "r"),
    prev: hash(p, "prev"),
    issued: count(p, "issued"),
    at: count(p, "at"),
    msn: count(p, "msn"),
    dsn: count(p, "dsn"),
    part: count(p, "part"),
    key: flag(p, "key"),
    pts: integer(p, "pts"),
    dur: count(p, "dur"),
    size: count(p, "size"),
    root: gap ? null : unhex(text(p, "root"), 32),
    gap,
    seg: p["seg"] === undefined ? 0 : count(p, "seg"),
    target: p["target"] === undefined ? 0 : count(p, "target"),
  };
  if (gap && p["root"] !== undefined) throw new Error("a gap has no root");
  if (p["session"] !== undefined) e.session = hash(p, "session");
  if (p["init"] !== undefined) e.init = hash(p, "init");
  checkEntry(e);
  return e;
}

/** Applies the bounds that an entry must keep by itself (manifest.md 7 and 7.1), and throws where it does not. */
export function checkEntry(e: Entry): void {
  if (!/^[a-z2-7]{32}$/.test(e.stream) || !/^[a-z][a-z0-9]{0,15}$/.test(e.r)) throw new Error("no stream or no rendition is called that");
  const numbers = [e.epoch, e.n, e.issued, e.at, e.msn, e.dsn, e.part, e.dur, e.size, e.seg, e.target];
  if (numbers.some((v) => v < 0 || v > Number.MAX_SAFE_INTEGER) || Math.abs(e.pts) > Number.MAX_SAFE_INTEGER || e.epoch === 0 || e.issued === 0 || e.dsn > e.msn) {
    throw new Error("a number is out of bounds");
  }
  if (e.part >= maxParts || e.dur === 0 || e.dur > maxSegment) throw new Error("a number is out of bounds");
  if (e.gap ? e.size !== 0 || e.key || e.root !== null : e.size === 0 || e.size > maxPiece || e.root === null || e.root.every((b) => b === 0)) {
    throw new Error(`an entry of ${e.size} bytes cannot be`);
  }
  if (e.part === 0) {
    if (!isHash(e.session) || !isHash(e.init) || e.target < e.dur || e.target > maxSegment) throw new Error("a segment's first entry needs session, init and a target that its duration keeps");
  } else if (e.n === 0 || e.session !== undefined || e.init !== undefined || e.target !== 0 || e.seg !== 0) {
    throw new Error("session, init, target and seg belong to a segment's first entry, and an epoch begins with one");
  }
  if (e.n === 0 && e.prev !== e.session) throw new Error("an epoch's first entry must follow its session record");
}

/**
 * The bytes that are signed for an entry: compact JSON, its members in the order of manifest.md 7. Who knows
 * an entry's members can make them again. Throws where the entry does not keep its bounds.
 */
export function entryPayload(e: Entry): Bytes {
  checkEntry(e);
  return utf8(
    JSON.stringify({
      v: 1,
      stream: e.stream,
      r: e.r,
      epoch: e.epoch,
      n: e.n,
      prev: e.prev,
      issued: e.issued,
      at: e.at,
      msn: e.msn,
      dsn: e.dsn,
      part: e.part,
      key: e.key || undefined,
      pts: e.pts,
      dur: e.dur,
      size: e.size,
      root: e.root ? hex(e.root) : undefined,
      gap: e.gap || undefined,
      seg: e.seg || undefined,
      target: e.target || undefined,
      session: e.session,
      init: e.init,
    }),
  );
}

/** A hash that is there: absent and all zeros are the same. */
function isHash(s: string | undefined): boolean {
  return s !== undefined && !/^0*$/.test(s);
}

/** Orders positions: negative when a comes before b. */
export function order(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.n - b.n;
}

/** Members that a document of a kind may call critical: those this page reads. */
const understood = {
  genesis: "v name root next",
  rotation: "v stream serial root next sessions",
  session: "v stream serial key from not_before not_after fresh_ms",
  entry: "v stream r epoch n prev issued at msn dsn part key pts dur size root gap seg target session init",
};

/** A document demands to be understood beyond what this page knows: it is from a later version, not false. */
export class NotUnderstood extends Error {
  override name = "NotUnderstood";
}

function version(p: Payload, kind: keyof typeof understood): void {
  if (p["v"] !== 1) throw new Error("this page reads version 1 of the format only");
  const crit = p["crit"];
  if (crit === undefined) return;
  if (!Array.isArray(crit) || crit.length === 0 || !crit.every((name) => typeof name === "string")) throw new Error("crit must be a list of names");
  for (const [i, name] of crit.entries()) {
    if (!understood[kind].split(" ").includes(name)) throw new NotUnderstood(`this page does not understand ${name}, which the creator calls critical`);
    if (p[name] === undefined || crit.indexOf(name) < i) throw new Error(`crit names ${name}, which is absent or named twice`);
  }
}

function position(p: Payload): Position {
  return { epoch: count(p, "epoch"), n: count(p, "n") };
}

function integer(p: Payload, name: string): number {
  const v = p[name];
  if (typeof v !== "number") throw new Error(`${name} must be a number`);
  return v;
}

function count(p: Payload, name: string): number {
  const v = integer(p, name);
  if (v < 0) throw new Error(`${name} may not be negative`);
  return v;
}

function text(p: Payload, name: string): string {
  const v = p[name];
  if (typeof v !== "string") throw new Error(`${name} must be text`);
  return v;
}

function hash(p: Payload, name: string): string {
  const v = text(p, name);
  unhex(v, 32);
  return v;
}

function key(p: Payload, name: string): Bytes {
  const v = unbase64(text(p, name));
  if (v.length !== 32 || !sound(v)) throw new Error(`${name} must be an Ed25519 public key that may be used`);
  return v;
}

function flag(p: Payload, name: string): boolean {
  const v = p[name] === undefined ? false : p[name];
  if (typeof v !== "boolean") throw new Error(`${name} must be true or false`);
  return v;
}
