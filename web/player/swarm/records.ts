// Rotation and session records, and the heads that wait for them (docs/spec/live-swarm.md 5.3 and 5.9).
import type { Bytes } from "../bytes.ts";
import { onHead } from "./follow.ts";
import { lieCost } from "./guard.ts";
import { maxFrame, reasons, type Records } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import type { Time } from "./time.ts";
import type { RecordVerdict } from "./verifier.ts";

/** Takes in a record from the caller and passes it on. */
export function addRecord(n: Node, now: Time, envelope: Bytes): RecordVerdict {
  const verdict = n.verifier.addRecord(envelope);
  if (verdict === "fresh") passOn(n, now, null, [envelope]);
  return verdict;
}

export function onGetRecords(n: Node, now: Time, nb: Neighbour): void {
  const records = n.verifier.records();
  const size = records.reduce((sum, env) => sum + env.length, 0);
  if (n.afford(now, nb, size)) sendRecords(n, nb, records);
}

export function onRecords(n: Node, now: Time, nb: Neighbour, m: Records): void {
  const news: Bytes[] = [];
  for (const env of m.envelopes) {
    const verdict = n.verifier.addRecord(env);
    if (verdict === "fresh") news.push(env);
    // It may be older or newer than what this node can judge.
    if (verdict !== "refused" || nb.guard.take(now, lieCost)) continue;
    n.drop(now, nb, reasons.badMessage);
    return;
  }
  if (news.length === 0) return;
  n.out.records.push(...news);
  passOn(n, now, nb, news);
}

/** Sends on what is new, and judges the heads again that waited for it. */
function passOn(n: Node, now: Time, from: Neighbour | null, envelopes: Bytes[]): void {
  for (const nb of n.conns) if (nb !== from && nb.hello) sendRecords(n, nb, envelopes);
  for (const nb of n.conns.slice()) {
    const { waiting } = nb;
    nb.waiting = [];
    for (const h of waiting) {
      if (nb.gone) break;
      onHead(n, now, nb, h);
    }
  }
}

/** Sends envelopes in as few messages as they fit in. */
function sendRecords(n: Node, nb: Neighbour, envelopes: Bytes[]): void {
  let batch: Bytes[] = [];
  let size = 0;
  for (const env of envelopes) {
    if (batch.length > 0 && size + env.length + 4 >= maxFrame - 64) {
      n.send(nb, { type: "Records", envelopes: batch });
      batch = [];
      size = 0;
    }
    batch.push(env);
    size += env.length + 4;
  }
  if (batch.length > 0) n.send(nb, { type: "Records", envelopes: batch });
}
