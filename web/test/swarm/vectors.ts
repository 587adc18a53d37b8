// The vectors of swarm/testdata, and messages in their form. Tests only.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Bytes, hex } from "../../player/bytes.ts";
import { Mask } from "../../player/swarm/masks.ts";
import type { Address, Hint, Message, Role } from "../../player/swarm/messages.ts";

export const testdata = resolve(import.meta.dirname, "../../../swarm/testdata");

export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(resolve(testdata, name), "utf8")) as T;
}

/** A message as the vectors write it. */
export type Fields = { type: Message["type"] } & Record<string, unknown>;

export function bytes(digits: unknown): Bytes {
  return new Uint8Array(Buffer.from(digits as string, "hex"));
}

/** The members of messages that hold bytes. */
const byteMembers = new Set(["payload", "sig", "data", "body"]);

/** Writes a message as the vectors do. */
export function fields(m: Message): Fields {
  const out: Fields = { type: m.type };
  for (const [name, value] of Object.entries(m)) {
    if (value instanceof Mask) out[name] = value.list();
    else if (value instanceof Uint8Array) out[name] = hex(value);
    else if (name === "leaves" || name === "envelopes") out[name] = (value as Bytes[]).map(hex);
    else if (name === "hints") out[name] = (value as Hint[]).map((h) => ({ ...h, ...shownAddress(h.address) }));
    else if (name === "keyId") out["keyid"] = value;
    else if (name !== "entry" && name !== "members") out[name] = value;
  }
  // What has nothing in it is null in Go.
  for (const name of ["hints", "envelopes"]) if (Array.isArray(out[name]) && out[name].length === 0) out[name] = null;
  return out;
}

/** Makes a message of its form in the vectors. */
export function messageOf(f: Fields): Message {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(f)) {
    if (name === "blocks") out[name] = Mask.of(...(value as number[]));
    else if (byteMembers.has(name)) out[name] = bytes(value);
    else if (name === "leaves" || name === "envelopes") out[name] = ((value ?? []) as string[]).map(bytes);
    else if (name === "hints") out[name] = ((value ?? []) as ShownHint[]).map((h) => ({ id: h.id, role: h.role, address: addressOf(h) }));
    else if (name === "keyid") out["keyId"] = value;
    else out[name] = value;
  }
  return out as unknown as Message;
}

interface ShownHint {
  id: string;
  role: Role;
  address: string | null;
  port?: number;
}

function shownAddress(a: Address | null): Pick<ShownHint, "address" | "port"> {
  if (!a) return { address: null };
  if (a.ip.length === 4) return { address: a.ip.join("."), port: a.port };
  const groups = Array.from({ length: 8 }, (_, i) => ((a.ip[2 * i]! << 8) | a.ip[2 * i + 1]!).toString(16));
  return { address: new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1), port: a.port };
}

function addressOf(h: ShownHint): Address | null {
  if (h.address === null) return null;
  if (!h.address.includes(":")) return { ip: new Uint8Array(h.address.split(".").map(Number)), port: h.port! };
  const [before = "", after = ""] = h.address.split("::");
  const groups = (s: string) => (s ? s.split(":") : []);
  const missing = 8 - groups(before).length - groups(after).length;
  const all = [...groups(before), ...Array<string>(missing).fill("0"), ...groups(after)];
  return { ip: bytes(all.map((g) => g.padStart(4, "0")).join("")), port: h.port! };
}
