// Heads that others announced and that did not come by themselves (docs/spec/live-swarm.md 7.4.8 and 7.5.3).
import type { Position } from "../documents.ts";
import { haveSpan } from "./haves.ts";
import { type Key, maxHeads, reasons } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { millisecond, never, second, type Time } from "./time.ts";
import { before, type Track } from "./window.ts";

/** A run of heads that was asked for. */
export interface HeadAsk extends Position {
  count: number;
  until: Time;
  by: Neighbour;
  new: boolean; // it has the newest head that `by` announced
}

/** In which a head may still come by itself. */
export const headGrace = 60 * millisecond;
/** Before heads are asked of another; doubles. */
const headAgain = 300 * millisecond;
/** Runs of heads that one claim has others asked for at once. */
const headAsks = 4;
/** Runs that a neighbour may announce and not give, in a row. */
const headLies = 3;
/** Newest pieces in which a newcomer looks for its beginning. */
const firstHeads = 64;
/** How many claims that differ widely are looked into at once. */
const maxClaims = 4;

/** Asks for the heads of pieces that others announced, the newest first. */
export function askHeads(n: Node, now: Time, t: Track): void {
  t.headsAt = never;
  headless(n, now, t);
  let missing = false;
  for (const { epoch, next } of claims(n, t, now)) {
    const first = firstHead(t, epoch, next);
    const here = (i: number) => t.find({ epoch, n: i }) !== null;
    let asks = 0;
    for (let at = next; at > first && asks < headAsks && t.asked.length < maxClaims * headAsks; ) {
      const newest = { epoch, n: at - 1 };
      if (here(newest.n)) {
        at--;
        continue;
      }
      missing = true;
      const asked = askedFor(t, newest);
      if (asked) {
        at = asked.n;
        asks++;
        continue;
      }
      let count = 1;
      while (count < maxHeads && at - count > first && !here(at - count - 1) && !askedFor(t, { epoch, n: at - count - 1 })) count++;
      const by = headHolder(n, now, t, newest);
      if (by) {
        const run: Key = { r: t.r, epoch, n: at - count };
        n.send(by, { type: "GetHeads", ...run, count });
        const last = by.track(t).haves.last();
        const isNewest = last.epoch === epoch && last.n === at - 1;
        const wait = isNewest ? headAgain : headAgain * 2 ** Math.min(t.headMisses, 4);
        t.asked.push({ epoch, n: run.n, count, until: now + Math.max(wait, 2 * by.trip()), by, new: isNewest });
        asks++;
      }
      at -= count;
    }
  }
  if (missing) t.headsAt = now + headAgain;
}

/**
 * Takes note of who announced pieces and did not give their heads. What such a neighbour announces counts for nothing
 * for a while, so that it cannot make others look for pieces that do not exist.
 */
function headless(n: Node, now: Time, t: Track): void {
  const silent: Neighbour[] = [];
  t.asked = t.asked.filter((a) => {
    if (a.until > now) return true;
    for (let i = 0; i < a.count; i++) {
      const p = { epoch: a.epoch, n: a.n + i };
      if (t.find(p) || before(p, t.floor)) {
        t.headMisses = 0;
        return false;
      }
    }
    t.headMisses++;
    if (a.new && !a.by.gone) {
      a.by.headless++;
      if (a.by.headless >= headLies) a.by.mute = now + second * 2 ** Math.min(a.by.headless - headLies, 5);
      if (a.by.headless > 3 * headLies) silent.push(a.by);
    }
    return false;
  });
  for (const nb of silent) n.drop(now, nb, reasons.silent);
}

/** That an epoch has pieces up to the one before next. */
interface Claim {
  epoch: number;
  next: number;
}

/** How far others announce pieces that this node wants, the newest first. A claim that nobody comes near to does not hide the others. */
export function claims(n: Node, t: Track, now: Time): Claim[] {
  const all: Claim[] = [];
  for (const nb of n.conns) {
    const nt = nb.tracks[t.index];
    if (nb.mute > now || !nt) continue;
    for (const { epoch, next } of [nt.haves.newer, nt.haves.older]) {
      if (next > 0 && epoch >= t.floor.epoch && (!t.follows || epoch >= t.from.epoch)) all.push({ epoch, next });
    }
  }
  all.sort((a, b) => b.epoch - a.epoch || b.next - a.next);
  const out: Claim[] = [];
  for (const c of all) {
    const last = out.at(-1);
    if (last && last.epoch === c.epoch && last.next - c.next < maxHeads) continue;
    out.push(c);
    if (out.length === maxClaims) break;
  }
  return out;
}

/** The lowest number of an epoch whose head is wanted. */
function firstHead(t: Track, epoch: number, next: number): number {
  let first = Math.max(0, next - haveSpan);
  if (!t.follows) {
    const newest = Math.max(0, next - firstHeads);
    const i = t.search({ epoch, n: newest });
    const here = t.find({ epoch, n: newest }) !== null;
    if (!here && t.pieces.length - i < firstHeads) first = newest; // else there is no beginning among the newest: look at all
  } else if (t.from.epoch === epoch) {
    first = Math.max(first, t.from.n);
  }
  return t.floor.epoch === epoch ? Math.max(first, t.floor.n) : first;
}

/** The run that a head was asked for in. */
export function askedFor(t: Track, p: Position): HeadAsk | undefined {
  return t.asked.find((a) => a.epoch === p.epoch && p.n >= a.n && p.n < a.n + a.count);
}

/** Picks one that announced a piece, by chance. */
function headHolder(n: Node, now: Time, t: Track, p: Position): Neighbour | null {
  return n.pick((nb) => nb.hello && nb.mute <= now && (nb.tracks[t.index]?.haves.has(p) ?? false));
}
