// Whose stream a server offers, beside whose it should be, and what proves that it is not.
import { Fork } from "./book.ts";
import type { PlayerOptions } from "./options.ts";
import type { Fault } from "./provenance.ts";
import { BadPiece, BadProof } from "./source.ts";
import { fingerprint, type Trust } from "./trust.ts";

type Wanted = Pick<PlayerOptions, "wantedId" | "pins" | "name">;

/** What is found out: the creator's key as a fingerprint, and why the stream may not be played, if it may not. */
export interface Offer {
  key: string;
  fault: Fault | null;
}

/** Judges by the name, before anything that the server says is learnt, and by the id where the link names one. */
export async function offered(trust: Trust, { wantedId, name }: Wanted): Promise<Offer> {
  if (trust.name !== name) throw new BadProof(`the server offers the stream ${trust.name} under this name`);
  const key = await fingerprint(trust.rootKey);
  return { key, fault: wantedId !== null && wantedId !== trust.id ? { kind: "wrong-id", wanted: wantedId, got: trust.id } : null };
}

/** Judges by the key that was seen first under this name, where the link names no id, and remembers it. */
export async function remembered(trust: Trust, { wantedId, pins, name }: Wanted): Promise<Offer> {
  const key = await fingerprint(trust.rootKey); // records may have changed it
  const pin = pins.get(name);
  if (wantedId === null && pin && pin.id !== trust.id) return { key, fault: { kind: "key-changed", before: pin.fingerprint, now: key } };
  if (pin?.id !== trust.id || pin.fingerprint !== key) pins.set(name, { id: trust.id, fingerprint: key });
  return { key, fault: null };
}

/** What an error proves against the stream; null where it proves nothing. */
export function faultOf(err: unknown): Fault | null {
  if (err instanceof BadPiece) return { kind: "bad-piece", detail: err.message };
  if (err instanceof Fork) return { kind: "fork", detail: err.message };
  return err instanceof BadProof ? { kind: "bad-proof", detail: err.message } : null;
}
