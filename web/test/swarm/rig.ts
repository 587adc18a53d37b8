// What the scheduler's traces are made of (swarm/testdata/README.md): heads that say themselves what verifying
// them gives, and blocks by a rule.
import { type Bytes, equal } from "../../player/bytes.ts";
import { blockLen, blocksOf, type Head, type Key, type OpenHead } from "../../player/swarm/messages.ts";
import type { Verdict, Verifier } from "../../player/swarm/verifier.ts";
import { blockSize } from "../../player/merkle.ts";

export const rigStream = "a".repeat(32);

const verdicts: Verdict[] = ["genuine", "false", "useless"];

/** Takes for genuine what was made by rigHead. */
export const rigVerifier: Verifier = {
  openHead: (h: Head) => verdicts[h.sig[0]!]!,
  block: (h, i, data) => data.length === blockLen(h.entry.size, i) && equal(data, rigBlock(h, i)),
  init: () => true,
  addRecord: () => "known",
  records: () => [],
};

export interface HeadFields extends Key {
  verdict: "genuine" | "false" | "old";
  msn: number;
  part: number;
  key: boolean;
  pts: number;
  dur: number;
  size: number;
  gap?: boolean;
}

export function rigHead(f: HeadFields): OpenHead {
  const sig = new Uint8Array(64);
  sig[0] = ["genuine", "false", "old"].indexOf(f.verdict);
  const { r, epoch, n, msn, part, key, pts, dur, size, gap = false } = f;
  return {
    ...{ type: "Head", payload: new Uint8Array(0), sig, keyId: "00".repeat(8) },
    leaves: Array.from({ length: blocksOf(size) }, () => new Uint8Array(32)),
    entry: { stream: rigStream, r, epoch, n, prev: "", issued: 1, at: 0, msn, dsn: 0, part, key, pts, dur, size, root: null, gap, seg: 0, target: 0 },
  };
}

/** The fields of a head of rigHead. */
export function headFields(h: Head): HeadFields {
  const { r, epoch, n, msn, part, key, pts, dur, size, gap } = h.entry!;
  const verdict = (["genuine", "false", "old"] as const)[h.sig[0]!]!;
  return { r, epoch, n, size, msn, part, key, pts, dur, verdict, ...(gap ? { gap } : {}) };
}

/** What block i of a genuine piece holds. */
export function rigBlock(h: OpenHead, i: number): Bytes {
  const { epoch, n, size } = h.entry;
  return new Uint8Array(blockLen(size, i)).map((_, k) => 7 * k + n + 3 * epoch + 13 * i);
}

export function rigData(h: OpenHead): Bytes {
  const out = new Uint8Array(h.entry.size);
  for (let i = 0; i < blocksOf(out.length); i++) out.set(rigBlock(h, i), i * blockSize);
  return out;
}
