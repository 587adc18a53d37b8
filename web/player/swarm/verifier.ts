import type { Bytes } from "../bytes.ts";
import type { Head, OpenHead } from "./messages.ts";

/**
 * What a head turned out to be (docs/spec/live-swarm.md 5.3). `unknown`: it cannot be judged before newer records
 * are known. `useless`: its sender may be honest; it lies before all that is remembered, breaks the chain or is
 * of a later version. `false`: its sender is to be banned.
 */
export type Verdict = "genuine" | "unknown" | "useless" | "false";

/** `known`: it changes nothing, and need not be passed on. */
export type RecordVerdict = "fresh" | "known" | "refused";

/**
 * Decides what is genuine, at once: a node never waits, so that the same messages at the same times always give
 * the same answers. Trusted is the real one; what of its work a browser does elsewhere is done ahead (see Intake).
 */
export interface Verifier {
  /** Checks a head as it came (form, signature, session, links, leaves against root) and fills in its entry where it is genuine. */
  openHead(h: Head): Verdict;
  /** Reports whether data is block i of the opened head's piece. */
  block(h: OpenHead, i: number, data: Bytes): boolean;
  /** Reports whether data is the init segment with this root. */
  init(root: string, data: Bytes): boolean;
  /** Takes in a rotation or session record. */
  addRecord(envelope: Bytes): RecordVerdict;
  /** What a newcomer needs, at most 72 envelopes. */
  records(): Bytes[];
}
