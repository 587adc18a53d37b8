// Children: who is pushed what, and at whose cost (docs/spec/live-swarm.md 7.2).
import { blockSize } from "../merkle.ts";
import { hintOf } from "./hints.ts";
import { sinking } from "./lanes.ts";
import { allLanes, blockLanes, hasLane, headLane, type LaneMask, lanes } from "./masks.ts";
import { type Hint, noDepth, type Subscribe } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { stateOf } from "./states.ts";
import { div, millisecond, second, seconds, type Time } from "./time.ts";
import { guessedRate, type Track } from "./window.ts";

/** How long a child keeps its lanes before one worth a little more gets them. */
const settled = second;
/** How long a lane that another got is still pushed to the child that had it: it finds another parent meanwhile, for itself and those below it. */
export const linger = 500 * millisecond;
/** How many times as much another must be worth; farMore where no child is settled. Who has `alike` times as much, or less, is worth about as much. */
export const clearly = 1.5;
const farMore = 3;
export const alike = 1.1;

/** Decides which lanes a neighbour is pushed from now on. Whoever gets less than it asked for is told who else might have it. */
export function onSubscribe(n: Node, now: Time, nb: Neighbour, m: Subscribe): void {
  const t = n.known(m.r);
  if (!t) {
    n.send(nb, { type: "Grant", r: m.r, lanes: 0 });
    return;
  }
  const nt = nb.track(t);
  const had = nt.gives;
  give(nb, t, nt.gives & m.lanes);
  const losers = new Set<Neighbour>();
  for (let l = 0; l < allLanes; l++) {
    if (!hasLane(m.lanes, l) || hasLane(nt.gives, l)) continue;
    const { admitted, loser } = admit(n, now, t, nb, l, m.urgent);
    if (admitted) give(nb, t, nt.gives | (1 << l));
    if (loser) losers.add(loser);
  }
  for (const loser of losers) {
    n.send(loser, { type: "Grant", r: t.r, lanes: loser.track(t).gives });
    n.send(loser, { type: "Peers", hints: [hintOf(nb)] });
  }
  if (nt.gives & ~had) {
    nt.changed = now;
    n.send(nb, stateOf(t)); // it judges by that whether the lanes come from above it
  }
  n.send(nb, { type: "Grant", r: t.r, lanes: nt.gives });
  if (nt.gives !== m.lanes) n.sendHints(nb);
}

/** Decides on one lane for one child, and makes room for it if it is worth more than another, the loser. */
function admit(n: Node, now: Time, t: Track, nb: Neighbour, l: number, urgent: boolean): { admitted: boolean; loser: Neighbour | null } {
  const refused = { admitted: false, loser: null };
  if (n.draining || n.up <= 0) return refused;
  const { parent } = t.lanes[l]!;
  if (!t.source && (t.depth[l] === noDepth || !parent || parent === nb || sinking(t, l))) return refused;
  if (bears(n, t, l, urgent)) return { admitted: true, loser: null };
  const loser = replace(n, now, t, nb, l);
  return { admitted: loser !== null, loser };
}

/** The part of the uplink budget that lanes may take, in bit/s. */
function capacity(n: Node): number {
  return n.up * (1 - n.t.Reserve);
}

function count(t: Track, which: LaneMask, by: number): void {
  for (let l = 0; l < allLanes; l++) if (hasLane(which, l)) t.kids[l]! += by;
}

/** Changes which lanes a neighbour is pushed. */
export function give(nb: Neighbour, t: Track, gives: LaneMask): void {
  const nt = nb.track(t);
  if (!nb.draining) {
    count(t, nt.gives, -1);
    count(t, gives, 1);
  }
  if (nt.gives === 0 && gives !== 0) t.children.push(nb);
  else if (nt.gives !== 0 && gives === 0) t.children.splice(t.children.indexOf(nb), 1);
  nt.gives = gives;
}

/** Takes note that a neighbour leaves: its places are free. */
export function onDrain(n: Node, nb: Neighbour): void {
  if (nb.draining) return;
  for (const [i, nt] of nb.tracks.entries()) count(n.tracks[i]!, nt.gives, -1);
  nb.draining = true;
}

/** What the lanes that were granted cost, in bit/s. */
function used(n: Node): number {
  let sum = 0;
  for (const t of n.tracks) for (const [l, kids] of t.kids.entries()) sum += kids * t.laneRate(l);
  return sum;
}

/**
 * Reports whether a lane may have one more child. A seed's first copies are few, so that the swarm feeds itself. A
 * viewer stays within its capacity, and spreads what it gives over lanes: the blocks of a usual piece must be on
 * their way before the next piece's come, or one of them waits behind the others' copies.
 */
function bears(n: Node, t: Track, l: number, urgent: boolean): boolean {
  const kids = t.kids[l]!;
  if (used(n) + t.laneRate(l) / 2 > capacity(n)) return false; // to the nearest lane
  if (t.source) return l === headLane || urgent || kids < copies(n);
  if (n.up === Number.POSITIVE_INFINITY || l === headLane) return kids < n.t.MaxConns;
  return rush(n, t, l) <= n.t.Spread * t.dur;
}

/**
 * How long this node would take, in seconds, to send the copies of one usual piece if lane l had one more child, where
 * the blocks fall on its lanes worst. A single block may take longer than that in all.
 */
function rush(n: Node, t: Track, l: number): number {
  const size = t.rate === 0 ? (guessedRate / 8) * t.dur : t.rate * t.dur;
  const blocks = Math.max(Math.ceil(size / blockSize), 1);
  const many = Math.min(blocks, lanes);
  let [full, last] = [blockSize, size - (blocks - 1) * blockSize];
  if (blocks > lanes) full = last = size / lanes; // some lanes carry more than one
  let worst = 0;
  for (let first = l - many + 1; first <= l; first++) {
    let [load, copied] = [0, 0];
    for (let i = 0; i < many; i++) {
      const at = (first + i + lanes) % lanes;
      const k = t.kids[at]! + (at === l ? 1 : 0);
      copied += k;
      load += k * (i === many - 1 ? last : full);
    }
    const took = (load * 8) / n.up;
    if (copied === 1 && took <= seconds(n.t.SlowBlock)) continue;
    worst = Math.max(worst, took);
  }
  return worst;
}

/** How long a block takes on an uplink of so many bit/s. */
export function sendTime(up: number): Time {
  return Math.trunc(((blockSize * 8) / Math.max(up, 1)) * second);
}

/** How many first copies of each lane a seed feeds. */
function copies(n: Node): number {
  return 1 + div(Math.max(n.swarm, n.conns.length), Math.max(n.t.CopiesPer, 1));
}

/** Makes room for a child of lane l at the cost of one that has clearly less to give on: of that lane's, or of any other where that helps. */
function replace(n: Node, now: Time, t: Track, nb: Neighbour, l: number): Neighbour | null {
  let same: Neighbour | null = null;
  let other: Neighbour | null = null;
  for (const o of t.children) {
    if (o === nb || o.draining) continue;
    const nt = o.tracks[t.index]!;
    const equal = t.source && alike * nb.up > o.up && o.lanesGiven() > nb.lanesGiven() + 1;
    const more = nb.up / Math.max(o.up, 1);
    if (more <= farMore && (now - nt.changed < settled || (more <= clearly && !equal))) continue;
    if (hasLane(nt.gives, l) && (!same || o.up < same.up)) same = o;
    if (nt.gives & blockLanes && (!other || o.up < other.up)) other = o;
  }
  if (same) {
    handOver(now, t, same, l);
    return same;
  }
  if (!other || l === headLane || t.source) return null;
  const { gives } = other.track(t);
  for (let m = 0; m < lanes; m++) {
    if (!hasLane(gives, m)) continue;
    give(other, t, gives & ~(1 << m));
    const fits = bears(n, t, l, false);
    give(other, t, gives);
    if (fits) {
      handOver(now, t, other, m);
      return other;
    }
  }
  return null;
}

/** Tells children who could give on clearly more than this node who its own parents are: their place is there. */
export function lift(n: Node, t: Track): void {
  if (n.role !== "viewer") return;
  let told = 0;
  for (const nb of t.children) {
    const { gives } = nb.tracks[t.index]!;
    if (!(gives & blockLanes) || nb.up <= clearly * n.up) continue;
    const hints: Hint[] = [];
    for (let l = 0; l < lanes; l++) {
      const { parent } = t.lanes[l]!;
      if (!parent || !hasLane(gives, l) || parent === nb || hints.some((h) => h.id === parent.id)) continue;
      hints.push(hintOf(parent));
    }
    if (hints.length === 0) continue;
    n.send(nb, { type: "Peers", hints: hints.slice(0, 4) });
    if (++told === 2) return;
  }
}

/** The uplink of the child that would lose a lane to another, in kbit/s; 0 where there is none. */
export function leastOf(t: Track): number {
  let least = Number.POSITIVE_INFINITY;
  for (const nb of t.children) if (!nb.draining && nb.tracks[t.index]!.gives & blockLanes) least = Math.min(least, nb.up);
  return least === Number.POSITIVE_INFINITY ? 0 : Math.min(div(least, 1000) + 1, 0xffff_ffff);
}

/**
 * Hands over what a seed pushes in more copies than it should: of each lane the child that is worth least, if it had
 * time to settle. It is pushed to for a moment more.
 */
export function thin(n: Node, now: Time, t: Track): void {
  const losers = new Set<Neighbour>();
  for (let l = 0; l < lanes; l++) {
    const extra = t.kids[l]! - copies(n);
    if (extra <= 0) continue;
    for (let i = 0; i < 1 + div(extra, 8); i++) {
      let least: Neighbour | null = null;
      for (const o of t.children) {
        const nt = o.tracks[t.index]!;
        if (o.draining || !hasLane(nt.gives, l) || now - nt.changed < 2 * settled) continue;
        if (!least || o.up < least.up) least = o;
      }
      if (!least) break;
      handOver(now, t, least, l);
      losers.add(least);
    }
  }
  for (const o of losers) {
    n.send(o, { type: "Grant", r: t.r, lanes: o.track(t).gives });
    n.sendHints(o);
  }
}

/** Takes a lane from a child, which is still pushed to for a moment. */
function handOver(now: Time, t: Track, nb: Neighbour, l: number): void {
  const nt = nb.track(t);
  if (now >= nt.lingerTo) nt.lingers = 0;
  give(nb, t, nt.gives & ~(1 << l));
  nt.lingers |= 1 << l;
  nt.lingerTo = now + linger;
}

/** Hands children over until what is granted fits the budget. */
export function shed(n: Node): void {
  while (used(n) > capacity(n)) {
    let least: Neighbour | null = null;
    for (const nb of n.conns) if (!nb.draining && nb.lanesGiven() > 0 && (!least || nb.up < least.up)) least = nb;
    if (!least) return;
    for (const t of n.tracks) {
      if ((least.tracks[t.index]?.gives ?? 0) === 0) continue;
      give(least, t, 0);
      n.send(least, { type: "Grant", r: t.r, lanes: 0 });
    }
    n.sendHints(least);
  }
}

/** How many more lanes of a rendition this node would push, and which. */
export function spareLanes(n: Node, t: Track): { spare: number; open: LaneMask } {
  let open: LaneMask = 0;
  if (n.draining || n.up <= 0) return { spare: 0, open };
  const free = capacity(n) - used(n);
  for (let l = 0; l < allLanes; l++) {
    if (!t.source && (!t.lanes[l]!.parent || t.depth[l] === noDepth || sinking(t, l))) continue;
    if (bears(n, t, l, false)) open |= 1 << l;
  }
  if (open === 0) return { spare: 0, open };
  return { spare: Math.trunc(Math.min(Math.max(free / t.laneRate(0), 1), 0xffff)), open };
}
