// Repair (docs/spec/live-swarm.md 7.4): what lanes did not deliver is asked for, of peers, of seeds, at last of the origin.
import { order, type Position } from "../documents.ts";
import { linger } from "./children.ts";
import { headGrace } from "./heads.ts";
import { fail } from "./lanes.ts";
import { headLane, Mask } from "./masks.ts";
import { type Deny, type Have, noDepth, reasons, type Want } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { fetch, originTime } from "./origin.ts";
import { div, millisecond, never, second, type Time } from "./time.ts";
import { before, laneOf, type Piece, type Track } from "./window.ts";

/** One block's being asked for. */
export interface Ask {
  by: Neighbour | null;
  at: Time; // when
  until: Time;
  last: Neighbour | null; // who was asked before
  denied: Time; // when last said no; 0: never
  missed: boolean; // counted against the lane's parent
}

/** Blocks that one neighbour is asked for at once. */
const maxWants = 32;
/** Slack beyond which the rarest piece comes first. */
const farAhead = 5 * second;
/** Before a block that nobody has is looked for again. */
const noHolder = 50 * millisecond;
/** Before who denied a block is asked for it again. */
const denyTime = second;
/** And a round trip after a block, another is on its way. */
const busy = 100 * millisecond;
/** In which who sends others must come to a block. */
export const mostBusy = 3 * second;
/** Wants that a neighbour may let pass in a row. */
const lateMost = 16;
/** Least patience with a lane. */
const leastPatience = 130 * millisecond;
/** Most patience with a lane that has been late before. */
const mostPatience = second;
/** After a new parent's round trip, in which a lane may still miss a block. */
export const justMoved = 40 * millisecond;

export function onHave(n: Node, now: Time, nb: Neighbour, m: Have): void {
  const t = n.known(m.r);
  if (!t) return;
  nb.track(t).haves.add(m, m.count);
  if (t.source || !t.wanted) return;
  const last: Position = { epoch: m.epoch, n: m.n + m.count - 1 };
  const p = t.find(last);
  if (p) {
    if (p.lacking && !p.whole) look(t, p, now + millisecond);
  } else if (!before(last, t.floor) && (!t.follows || !before(last, t.from))) {
    t.headsAt = Math.min(t.headsAt, now + (t.lanes[headLane]!.parent ? headGrace : 0));
  }
}

/** Sees to it that a piece is looked at by the given time. */
export function look(t: Track, p: Piece, at: Time): void {
  p.due = Math.min(p.due, at);
  t.due = Math.min(t.due, at);
}

/** Asks for blocks that are due and did not come. */
export function repair(n: Node, now: Time, t: Track): void {
  if (t.due > now) return;
  const due = t.open.filter((p) => p.due <= now);
  if (due.length > 1) sort(n, now, t, due);
  for (const p of due) repairPiece(n, now, t, p);
  t.due = Math.min(never, ...t.open.map((p) => p.due));
}

/** Sorts pieces by when they are played; of those with much time the rarest first. */
function sort(n: Node, now: Time, t: Track, due: Piece[]): void {
  const far = (p: Piece) => (t.slack(now, p.head.entry) ?? 0) > farAhead;
  due.sort((a, b) => (far(a) && far(b) && holders(n, t, a.at) - holders(n, t, b.at)) || order(a.at, b.at));
}

function holders(n: Node, t: Track, p: Position): number {
  return n.conns.filter((nb) => nb.tracks[t.index]?.haves.has(p)).length;
}

/** Decides on every missing block of a piece: to wait on, to ask somebody, or to ask the origin. */
function repairPiece(n: Node, now: Time, t: Track, p: Piece): void {
  const slack = t.slack(now, p.head.entry);
  let next = now + second;
  const originAt = originTime(n, now, t, p, slack);
  const due = originAt <= now;
  if (!due) next = Math.min(next, originAt);
  else if (!p.failed) p.peersAt = now + 2 * n.t.WantAgain; // they are asked, too, if it takes its time
  if (slack !== undefined) for (const least of [n.t.ToSeeds, n.t.ToPeers]) if (slack > least) next = Math.min(next, now + slack - least);
  p.asks ??= p.blocks.map(() => ({ by: null, at: 0, until: 0, last: null, denied: 0, missed: false }));
  p.lacking = false;
  const wants = new Map<Neighbour, Want>();
  for (const [i, block] of p.blocks.entries()) {
    if (block) continue;
    const a = p.asks[i]!;
    if (a.by && now >= a.until && patient(now, a) && (slack === undefined || slack > n.t.ToSeeds)) a.until = now + n.t.WantAgain;
    if (a.by && now < a.until) {
      next = Math.min(next, a.until);
      continue;
    }
    if (a.by && broke(n, now, a, false)) next = now + millisecond; // others may have had to do with it
    const wait = overdue(n, now, t, p, laneOf(n.t, p.at.n, i), a, slack);
    if (wait !== null) {
      next = Math.min(next, wait);
      continue;
    }
    if (now < p.peersAt) {
      next = Math.min(next, p.peersAt);
      continue; // the origin answers sooner
    }
    const nb = holder(n, now, t, p, a, slack);
    if (!nb) {
      p.lacking = true;
      next = Math.min(next, now + noHolder);
      continue;
    }
    if (originAt > now && originAt < now + nb.trip() && !p.failed) continue; // it cannot answer before the origin is asked
    a.by = nb;
    a.at = now;
    a.until = now + Math.max(n.t.WantAgain, 2 * nb.trip() + nb.wants * 10 * millisecond);
    nb.wants++;
    next = Math.min(next, a.until);
    const want: Want = wants.get(nb) ?? { type: "Want", ...p.key, blocks: new Mask() };
    want.blocks.set(i);
    wants.set(nb, want);
  }
  for (const [nb, want] of wants) if (!nb.gone) n.send(nb, want);
  p.due = next;
  if (due) fetch(n, p);
}

/** When to look again at a block of lane l; null where it is to be asked for now (7.4.1). */
function overdue(n: Node, now: Time, t: Track, p: Piece, l: number, a: Ask, slack: Time | undefined): Time | null {
  const ln = t.lanes[l]!;
  const pushed = ln.parent !== null && t.depth[l] !== noDepth;
  const lanePatience = patience(n, now, p, slack);
  let moved = ln.since;
  let expected = p.headAt;
  if (pushed) {
    moved += ln.parent!.trip() + justMoved;
    if (p.headAt >= moved) expected += Math.max(lanePatience, Math.min(ln.late + 4 * ln.dev, mostPatience));
    else expected += ln.soft ? Math.min(n.t.Moved, lanePatience) : justMoved;
  } else if (ln.lingers && now - ln.since < linger) {
    expected += Math.min(n.t.Moved, lanePatience);
  } else {
    return null;
  }
  if (now < expected && (slack === undefined || slack > n.t.ToPeers)) return expected;
  if (pushed && !a.missed && now >= expected && p.headAt >= moved) {
    a.missed = true;
    ln.parent!.missed++;
    if (++ln.missed >= n.t.Missed) fail(n, now, t, l);
  }
  return null;
}

/** How long after a head a lane may deliver: three fifths of the time that there was until the piece is played, and little where nothing is known of that. */
function patience(n: Node, now: Time, p: Piece, slack: Time | undefined): Time {
  if (slack === undefined) return leastPatience;
  return Math.min(Math.max(div((slack + now - p.headAt) * 3, 5), leastPatience), n.t.Patience);
}

/** Who is to be asked for a block: a peer, or, when time is short or nobody else has it, a seed. */
function holder(n: Node, now: Time, t: Track, p: Piece, a: Ask, slack: Time | undefined): Neighbour | null {
  let best: Neighbour | null = null;
  let seed: Neighbour | null = null;
  let [least, seedLeast] = [0, 0];
  for (const nb of n.conns) {
    const nt = nb.tracks[t.index];
    if (!nb.hello || nb.leaf || nb.rest > now || nb.wants >= maxWants || !nt?.haves.has(p.at)) continue;
    if (nb === a.last && a.denied > 0 && now < a.denied + denyTime) continue;
    let cost = nb.trip() + nb.wants * 20 * millisecond + nb.late * 100 * millisecond;
    if (nt.spare === 0) cost += 50 * millisecond;
    if (nb === a.last) cost += second;
    if (nb.role === "viewer" && (!best || cost < least)) {
      best = nb;
      least = cost;
    } else if (nb.role !== "viewer" && (!seed || cost < seedLeast)) {
      seed = nb;
      seedLeast = cost;
    }
  }
  if (!seed) return best;
  const hurry = slack !== undefined && slack < n.t.ToSeeds;
  if ((!best || best === a.last) && (hurry || now - p.headAt > 2 * leastPatience)) return seed;
  return best && hurry && seedLeast < least ? seed : best;
}

/** Reports whether who was asked for a block is busy sending others, as after many wants at once. */
function patient(now: Time, a: Ask): boolean {
  return now - a.by!.blockAt < a.by!.trip() + busy && now - a.at < mostBusy;
}

/**
 * Takes note of a block that was asked for and did not come, and reports whether that was once too often. Who says
 * so does not lose its place for it, and many blocks at about the same time count as one (7.5.2).
 */
function broke(n: Node, now: Time, a: Ask, denied: boolean): boolean {
  const nb = a.by!;
  a.last = nb;
  a.by = null;
  a.denied = denied ? now : 0;
  if (!denied) nb.missed++;
  nb.wants--;
  if (now - nb.lateAt < n.t.WantAgain) return false;
  nb.lateAt = now;
  nb.late = Math.min(nb.late + 1, lateMost);
  if (nb.late === lateMost && !denied) {
    n.drop(now, nb, reasons.silent);
    return true;
  }
  if (nb.late >= 4) nb.rest = now + nb.late * 250 * millisecond;
  return false;
}

/** Takes note that block i came from somebody. It returns who else was asked. */
export function answered(p: Piece, from: Neighbour | null, i: number): Neighbour | null {
  const a = p.asks?.[i];
  const by = a?.by;
  if (!a || !by) return null;
  a.by = null;
  by.wants--;
  return by === from ? null : by;
}

/** Forgets what a neighbour was asked for. */
export function release(t: Track, p: Piece, nb: Neighbour, now: Time): void {
  for (const a of p.asks ?? []) {
    if (a.last === nb) a.last = null;
    if (a.by !== nb) continue;
    a.by = null;
    look(t, p, now);
  }
}

export function onDeny(n: Node, now: Time, nb: Neighbour, m: Deny): void {
  const t = n.known(m.r);
  const p = t?.find(m);
  if (!t || !p?.asks) return;
  for (const [i, a] of p.asks.entries()) {
    if (!m.blocks.has(i) || a.by !== nb) continue;
    broke(n, now, a, true);
    look(t, p, now);
  }
}
