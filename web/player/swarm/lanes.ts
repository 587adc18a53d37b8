// Lanes and their parents (docs/spec/live-swarm.md 7.1): how the blocks of a lane arrive, whom they are asked of,
// and what keeps a lane from running in a circle.
import { alike, clearly, linger, sendTime } from "./children.ts";
import { blockLanes, hasLane, headLane, laneCount, type LaneMask } from "./masks.ts";
import { type Grant, noDepth } from "./messages.ts";
import type { Neighbour, NeighbourTrack } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { justMoved, look } from "./repair.ts";
import { tellStates } from "./states.ts";
import { div, millisecond, second, type Time } from "./time.ts";
import type { Piece, Track } from "./window.ts";

/** How the blocks of one lane arrive. */
export interface Lane {
  parent: Neighbour | null; // pushes it
  next: Neighbour | null; // was asked to
  asked: Time; // when next was
  since: Time; // when parent began, or the lane was lost
  last: number; // depth before it was lost, or became greater
  raised: Time; // when that was
  branched: Time; // when the lane came into another branch
  late: Time; // between a head's arrival and the block's, smoothed
  dev: Time; // how much that differs, smoothed
  urgent: boolean; // parent is a seed that pushes it for want of others
  resort: boolean; // next was asked as such
  soft: boolean; // parent took over from another that was there
  lingers: boolean; // who was parent pushes it for a moment more
  missed: number; // blocks in a row that the parent did not send in time
  received: number; // blocks that parent delivered
}

export function newLane(): Lane {
  return {
    ...{ parent: null, next: null, asked: 0, since: 0, last: 0, raised: 0, branched: 0, late: 0, dev: 0 },
    ...{ urgent: false, resort: false, soft: false, lingers: false, missed: 0, received: 0 },
  };
}

const maxDepth = 16;
const askTimeout = second;
/** Before the same is asked again; doubles. */
const refusal = second;
/** In which a lane that was lost or became longer looks only nearer to the source than it was. */
const orphanTime = 500 * millisecond;
/** After which a lane that nobody else pushes is asked of a seed. */
const resortTime = 1500 * millisecond;
/** After which those below are told that a lane is lost. */
const lostTime = second;
/** How long those below take to hear of another branch. */
const branchTime = 1500 * millisecond;
/** How many blocks of a lane make up for one failure. */
const forgiven = 32;
/** Added to the lateness of a parent that says it is full: it takes one child more only by handing over another. */
const crowded = 20 * millisecond;

/** Takes note of a block from the lane's parent. */
export function delivered(now: Time, t: Track, l: number, p: Piece): void {
  const ln = t.lanes[l]!;
  ln.missed = 0;
  if (++ln.received % forgiven === 0) {
    const nt = ln.parent!.track(t);
    nt.failures = Math.max(nt.failures, 1) - 1;
  }
  const sample = now - p.headAt;
  if (ln.received === 1) {
    ln.late = sample;
    ln.dev = div(sample, 2);
  } else {
    ln.dev += div(Math.abs(sample - ln.late) - ln.dev, 4);
    ln.late += div(sample - ln.late, 8);
  }
}

/** Takes note that a lane has lost its parent. It keeps its depth while another is looked for, so that those below keep theirs. */
export function orphan(now: Time, t: Track, l: number): void {
  const ln = t.lanes[l]!;
  if (ln.parent) ln.parent.track(t).granted &= ~(1 << l);
  const { next, asked, resort, last, raised, branched, late, dev } = ln;
  Object.assign(ln, newLane(), { next, asked, resort, since: now, last, raised, branched, late, dev });
}

/**
 * Takes note of a lane's depth. Where it became greater, those below may not know yet: for a while only somebody
 * nearer to the source than it was before becomes its parent, so that no lane runs in a circle.
 */
function deepen(now: Time, t: Track, l: number, depth: number): void {
  const ln = t.lanes[l]!;
  const old = t.depth[l]!;
  if (old !== noDepth && depth > old && (now >= ln.raised + orphanTime || old < ln.last)) {
    ln.last = old;
    ln.raised = now;
  }
  t.depth[l] = depth;
}

/**
 * Reports whether a neighbour can be a lane's parent because it is not below this node: where nobody is, where it is
 * nearer to the source, or in another branch (7.1.5).
 */
function above(now: Time, t: Track, l: number, nt: NeighbourTrack): boolean {
  if (nt.depth[l]! >= maxDepth) return false;
  if (t.kids[l] === 0 || nt.depth[l]! < limit(now, t, l)) return true;
  const [mine, other] = [t.branch[l]!, nt.branch[l]!];
  return mine !== 0 && other !== 0 && mine !== other && now - t.lanes[l]!.branched > branchTime;
}

/** What the depth of a parent must be below that may be in the same branch. */
function limit(now: Time, t: Track, l: number): number {
  const ln = t.lanes[l]!;
  let most = t.depth[l]!;
  if ((!ln.parent || ln.parent.draining || ln.urgent) && most !== noDepth) most++; // those below are deeper still
  most = Math.min(most, maxDepth);
  return ln.last !== 0 && now < ln.raised + orphanTime ? Math.min(most, ln.last) : most;
}

/** Takes note of the branch that a lane is in by its parent. */
function branchOff(now: Time, t: Track, l: number, parent: Neighbour): void {
  const branch = parent.role === "viewer" ? parent.track(t).branch[l]! : t.tag;
  if (t.branch[l] === branch) return;
  t.branch[l] = branch;
  t.lanes[l]!.branched = now;
}

/** Reports whether a lane is about to move to a parent that may be below itself if it takes on a child now. */
export function sinking(t: Track, l: number): boolean {
  const { next } = t.lanes[l]!;
  return next !== null && next.track(t).depth[l]! >= t.depth[l]!;
}

/** Finds parents for the lanes that have none, and, to improve, better ones. */
export function adopt(n: Node, now: Time, t: Track, improve: boolean): void {
  let moves = 2;
  const asks: Neighbour[] = [];
  let urgent = false;
  for (const [l, ln] of t.lanes.entries()) {
    if (ln.next) {
      if (now - ln.asked < askTimeout + ln.next.trip()) continue;
      refuse(now, ln.next.track(t), l);
      ln.next = null;
    }
    if (ln.since === 0) ln.since = now;
    if (!ln.parent && t.depth[l] !== noDepth && now - ln.since > lostTime) deepen(now, t, l, noDepth);
    const lost = !ln.parent || ln.parent.draining || t.depth[l] === noDepth;
    if (!lost && !ln.urgent && (!improve || moves === 0)) continue;
    let resort = false;
    const found = candidate(n, now, t, l);
    let best = found?.nb ?? null;
    if (!best) {
      best = lost && now - ln.since > resortTime ? lastResort(n, now, t, l) : null;
      if (!best) continue;
      resort = urgent = true;
    } else if (ln.urgent && !lost) {
      // A seed did it for want of others, and here is one.
    } else if (!lost) {
      if (found!.cost > cost(n, ln.parent!, ln.parent!.track(t), l) - n.t.Gain) continue;
      moves--;
    }
    Object.assign(ln, { next: best, asked: now, resort });
    if (asks.at(-1) !== best) asks.push(best);
  }
  if (urgent) urgeAlone(t, asks);
  for (const nb of new Set(asks)) subscribe(n, nb, t, urgent && nb.role === "seed");
}

/** Takes back what else was to be asked of seeds that are asked for lanes that nobody else would push: they would give them all. */
function urgeAlone(t: Track, asks: Neighbour[]): void {
  for (const ln of t.lanes) if (ln.next && ln.next.role !== "viewer" && !ln.resort && asks.includes(ln.next)) ln.next = null;
}

/** Who would deliver a lane soonest, and how late that would be. */
function candidate(n: Node, now: Time, t: Track, l: number): { nb: Neighbour; cost: Time } | null {
  const ln = t.lanes[l]!;
  let best: { nb: Neighbour; cost: Time } | null = null;
  for (const nb of n.conns) {
    if (!nb.hello || nb.leaf || nb.draining || nb === ln.parent) continue;
    const nt = nb.track(t);
    const open = hasLane(nt.open, l);
    if (!nt.stated || !above(now, t, l, nt) || hasLane(nt.gives, l) || nt.refused[l]! > now) continue;
    if (ln.urgent && !ln.parent!.draining && (nb.role !== "viewer" || !open)) continue;
    let late = cost(n, nb, nt, l) + n.random.below(8) * millisecond;
    if (!open) {
      if (!mayTake(n, nb, nt)) continue;
      late += crowded;
    }
    if (!best || late < best.cost) best = { nb, cost: late };
  }
  return best;
}

/**
 * Reports whether a neighbour that is full would hand over a lane to this node all the same: for clearly more uplink;
 * a seed also to share among equals.
 */
function mayTake(n: Node, nb: Neighbour, nt: NeighbourTrack): boolean {
  const [mine, least] = [n.up, 1000 * nt.least];
  return least > 0 && (mine > clearly * least || (nb.role === "seed" && alike * mine > least && laneCount(nt.granted & blockLanes) === 0));
}

/** How late a neighbour would deliver a lane, by what is known of it. */
function cost(n: Node, nb: Neighbour, nt: NeighbourTrack, l: number): Time {
  const late = nt.depth[l]! * n.t.Hop + div(nb.trip(), 2);
  return nb.up > 0 && nb.role === "viewer" ? late + 2 * sendTime(nb.up) : late;
}

/** A seed or edge for a lane that nobody else would push. */
function lastResort(n: Node, now: Time, t: Track, l: number): Neighbour | null {
  for (const nb of n.conns) {
    const nt = nb.track(t);
    if (nb.hello && nb.role !== "viewer" && !nb.draining && nt.stated && nt.depth[l]! < maxDepth && nt.refused[l]! < now + refusal) return nb;
  }
  return null;
}

/** Tells a neighbour which lanes are wanted of it. */
export function subscribe(n: Node, nb: Neighbour, t: Track, urgent: boolean): void {
  let wanted: LaneMask = 0;
  for (const [l, ln] of t.lanes.entries()) if (ln.parent === nb || ln.next === nb) wanted |= 1 << l;
  n.send(nb, { type: "Subscribe", r: t.r, lanes: wanted, urgent });
}

/** Takes note that a neighbour will not push a lane, for a while. */
function refuse(now: Time, nt: NeighbourTrack, l: number): void {
  nt.refused[l] = now + refusal * 2 ** Math.min(nt.strikes, 3);
}

/**
 * Takes the lane from a parent that did not push it. Each time it is longer before that one is asked again, so that
 * who promises and withholds is soon asked for nothing; lanes that fail together are one time (7.5.1).
 */
export function fail(n: Node, now: Time, t: Track, l: number): void {
  const old = t.lanes[l]!.parent!;
  const nt = old.track(t);
  if (nt.failures === 0 || now - nt.failedAt > refusal) {
    nt.failures = Math.min(nt.failures + 1, 6);
    nt.failedAt = now;
  }
  const most = old.role === "viewer" ? 5 : 3; // there may be nobody else
  const until = now + refusal * 2 ** Math.min(nt.failures - 1, most);
  nt.refused[l] = until;
  // From the second time on it is not about one lane.
  if (nt.failures > 1) for (const [o, at] of nt.refused.entries()) nt.refused[o] = Math.max(at, until);
  orphan(now, t, l);
  subscribe(n, old, t, false);
  n.maintainAt = now;
}

export function onGrant(n: Node, now: Time, nb: Neighbour, g: Grant): void {
  const t = n.known(g.r);
  if (!t?.wanted || t.source) return;
  const nt = nb.track(t);
  let [refused, surplus, taken] = [false, false, false];
  const left: Neighbour[] = [];
  for (const [l, ln] of t.lanes.entries()) {
    const has = hasLane(g.lanes, l);
    if (has && ln.next === nb && (!above(now, t, l, nt) || hasLane(nt.gives, l))) {
      ln.next = null; // it is further from the source than it was when it was asked
      surplus = true;
    } else if (has && ln.next === nb) {
      taken = true;
      if (ln.parent && ln.parent !== nb) {
        ln.parent.track(t).granted &= ~(1 << l);
        left.push(ln.parent);
      }
      const soft = ln.parent !== null || (ln.lingers && now - ln.since < linger);
      const { last, raised, branched } = ln;
      Object.assign(ln, newLane(), { parent: nb, since: now, soft, last, raised, branched, urgent: ln.resort && nb.role !== "viewer" });
      nt.granted |= 1 << l;
      deepen(now, t, l, deeper(nt.depth[l]!));
      branchOff(now, t, l, nb);
    } else if (has && ln.parent !== nb) {
      surplus = true;
    } else if (!has && ln.next === nb) {
      ln.next = null;
      refuse(now, nt, l);
      refused = true;
    } else if (!has && ln.parent === nb) {
      orphan(now, t, l);
      ln.lingers = true;
      refuse(now, nt, l);
    }
  }
  // What came to the new parent before it granted is lost between the two.
  if (taken) for (const p of t.open) look(t, p, now + nb.trip() + justMoved);
  nt.strikes = refused ? nt.strikes + 1 : 0;
  for (const [i, old] of left.entries()) if (left[i - 1] !== old) subscribe(n, old, t, false);
  if (surplus) subscribe(n, nb, t, false);
  tellStates(n, now);
  n.maintainAt = Math.min(n.maintainAt, now + 10 * millisecond);
}

function deeper(depth: number): number {
  return depth >= maxDepth ? noDepth : depth + 1;
}

/** Takes note of the depths and branches that a parent states. Reports whether any of its lanes is lost. */
export function heed(n: Node, now: Time, t: Track, nb: Neighbour): boolean {
  const nt = nb.track(t);
  let lost = false;
  for (const [l, ln] of t.lanes.entries()) {
    if (ln.parent !== nb) continue;
    const depth = deeper(nt.depth[l]!);
    if (depth === noDepth) {
      lost = true;
      orphan(now, t, l);
      continue;
    }
    deepen(now, t, l, depth);
    branchOff(now, t, l, nb);
  }
  if (lost) subscribe(n, nb, t, false);
  return lost;
}

/** Takes note of a head that another had to be asked for. */
export function missedHead(n: Node, now: Time, t: Track): void {
  if (++t.lanes[headLane]!.missed >= 2 * n.t.Missed) fail(n, now, t, headLane);
}

/** Reports whether lanes have nobody who pushes them. */
export function looking(n: Node): boolean {
  return n.tracks.some((t) => t.wanted && !t.source && t.lanes.some((ln, l) => !ln.parent || t.depth[l] === noDepth));
}
