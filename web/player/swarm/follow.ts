// Heads as they come, where a viewer begins, and how far it is (docs/spec/live-swarm.md 5.3, 7.2.1 and 7.4.9).
import type { Position } from "../documents.ts";
import { headSize } from "./codec_head.ts";
import { staleCost } from "./guard.ts";
import { askedFor, claims } from "./heads.ts";
import { needInit } from "./inits.ts";
import { missedHead } from "./lanes.ts";
import { hasLane, headLane } from "./masks.ts";
import { type Head, type OpenHead, reasons } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { finished, place } from "./push.ts";
import { look } from "./repair.ts";
import { millisecond, second, type Time } from "./time.ts";
import { abandon, before, type Track } from "./window.ts";

/** Heads of one neighbour that wait for records. */
const maxWaiting = 64;

export function onHead(n: Node, now: Time, nb: Neighbour, h: Head): void {
  switch (n.verifier.openHead(h)) {
    case "unknown":
      if (nb.waiting.length === 0) n.send(nb, { type: "GetRecords" });
      if (nb.waiting.length < maxWaiting) nb.waiting.push(h);
      return;
    case "useless":
      if (!nb.guard.take(now, staleCost)) n.drop(now, nb, reasons.flooding);
      return;
    case "false":
      n.figures.rejected++;
      n.drop(now, nb, reasons.liedHead);
      return;
  }
  const open = h as OpenHead;
  const e = open.entry;
  if (e.stream !== n.stream) {
    n.drop(now, nb, reasons.liedHead);
    return;
  }
  const t = n.known(e.r);
  if (!t?.wanted) return;
  nb.headless = 0;
  const ln = t.lanes[headLane]!;
  if (ln.parent === nb) ln.missed = 0;
  else if (ln.parent && now - ln.since > second && before(t.newest, e) && askedFor(t, e)) missedHead(n, now, t);
  addHead(n, now, t, open, nb);
}

/** Takes in a verified head and passes it on. */
export function addHead(n: Node, now: Time, t: Track, h: OpenHead, from: Neighbour | null): void {
  const p = t.insert(now, h);
  if (!p) return;
  n.out.heads.push(h);
  for (const nb of n.conns) {
    if (nb === from || !nb.hello) continue;
    const nt = nb.track(t);
    if (!hasLane(nt.gives, headLane) || nt.haves.has(p.at)) continue;
    n.uplink.spend(headSize(h));
    n.send(nb, h);
  }
  if (t.wanted && h.entry.init !== undefined) needInit(n, now, h.entry.init, from);
  if (!t.source && t.wanted) {
    begin(n, now, t);
    if (t.follows && !before(p.at, t.from)) t.openUp(p);
  }
  if (p.whole) {
    finished(n, t, p);
    return;
  }
  for (const nb of n.conns.slice()) {
    for (const b of nb.release(t.r, p.at)) {
      if (nb.gone) break;
      place(n, now, t, p, b.index, b.data, nb, nb.source(), false);
    }
  }
}

/** Decides where a viewer that was not told begins: at the newest keyframe that starts a segment. */
function begin(n: Node, now: Time, t: Track): void {
  if (t.follows) return;
  if (t.began === 0) t.began = now + 1;
  const newer = (c: { epoch: number; next: number }) => c.epoch > t.newest.epoch || (c.epoch === t.newest.epoch && c.next > t.newest.n + 1);
  if (now < t.began + second && claims(n, t, now).some(newer)) return;
  for (let i = t.pieces.length - 1; i >= 0; i--) {
    const e = t.pieces[i]!.head.entry;
    if (e.key && e.part === 0) {
      follow(now, t, t.pieces[i]!.at);
      return;
    }
    const older = t.pieces[i - 1];
    if (older && (older.at.epoch !== e.epoch || older.at.n + 1 !== e.n)) return; // what lies between may have it
  }
}

/** Nothing before `from` is asked for any more. */
export function follow(now: Time, t: Track, from: Position): void {
  t.from = from;
  t.follows = true;
  t.headsAt = now;
  for (const p of t.open) if (before(p.at, from)) abandon(p);
  t.open = t.open.filter((p) => !before(p.at, from));
  for (const p of t.pieces.slice(t.search(from))) t.openUp(p);
}

/** Takes note of what is played when, so that it is known how much time there is for the rest. */
export function play(now: Time, t: Track, epoch: number, pts: number, at: Time): void {
  t.play = { epoch, pts, at };
  for (const p of t.open) look(t, p, now + 10 * millisecond);
}
