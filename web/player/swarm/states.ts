// Who is told of depths, branches and free places, and when (docs/spec/live-swarm.md 7.1.7).
import { leastOf, spareLanes } from "./children.ts";
import { heed } from "./lanes.ts";
import { allLanes, type LaneMask } from "./masks.ts";
import { noDepth, type State } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { div, millisecond, type Time } from "./time.ts";
import type { Track } from "./window.ts";

/** How many children make it dear to look at all of them at each event. */
const manyChildren = 64;

/** What some neighbours were told of a rendition last. */
export interface Told {
  depth: number[];
  branch: number[];
  open: LaneMask;
  at: Time;
}

export function toldNothing(): Told {
  return { depth: Array<number>(allLanes).fill(noDepth), branch: Array<number>(allLanes).fill(0), open: 0, at: 0 };
}

/** Describes a rendition to others. */
export function stateOf(t: Track): State {
  return { type: "State", r: t.r, depth: t.depth.slice(), branch: t.branch.slice(), spare: t.spare, least: t.least, open: t.opens };
}

export function onState(n: Node, now: Time, nb: Neighbour, m: State): void {
  const t = n.known(m.r);
  if (!t) return;
  const nt = nb.track(t);
  const first = !nt.stated;
  nb.leaf = nb.leaf && m.spare === 0; // its uplink may have changed
  Object.assign(nt, { depth: m.depth, branch: m.branch, spare: m.spare, least: m.least, open: m.open, stated: true });
  if (!t.wanted || t.source) return;
  const lost = heed(n, now, t, nb);
  if (first || lost) n.maintainAt = Math.min(n.maintainAt, now + 10 * millisecond);
  tellStates(n, now);
}

/**
 * Tells neighbours of depths and free places that have changed. Children hear of a lane that was lost at once, and of
 * a longer way soon; of all else, and for all others, now and then suffices.
 */
export function tellStates(n: Node, now: Time): void {
  for (const t of n.tracks) {
    if (t.children.length <= manyChildren || now - t.reckoned >= div(n.t.State, 8)) {
      t.reckoned = now;
      const { spare, open } = spareLanes(n, t);
      t.spare = spare;
      t.opens = open;
      t.least = leastOf(t);
    }
    let kids = differs(now, t, t.toldKids, n.t.State);
    let others = differs(now, t, t.toldOthers, 3 * n.t.State);
    for (const [l, depth] of t.depth.entries()) {
      const told = t.toldKids;
      const changed = depth > told.depth[l]! || t.branch[l] !== told.branch[l];
      kids ||= (depth === noDepth && told.depth[l] !== noDepth) || (changed && now - told.at >= div(n.t.State, 8));
      others ||= depth !== noDepth && t.toldOthers.depth[l] === noDepth && now - t.toldOthers.at >= div(n.t.State, 2);
    }
    if (!kids && !others) continue;
    const m = stateOf(t);
    for (const nb of n.conns) {
      const child = (nb.tracks[t.index]?.gives ?? 0) !== 0;
      if (nb.hello && nb.role !== "seed" && (child ? kids : others)) n.send(nb, m);
    }
    if (kids) t.toldKids = toldNow(now, t);
    if (others) t.toldOthers = toldNow(now, t);
  }
}

function toldNow(now: Time, t: Track): Told {
  return { depth: t.depth.slice(), branch: t.branch.slice(), open: t.opens, at: now };
}

function differs(now: Time, t: Track, old: Told, every: Time): boolean {
  const same = (a: number[], b: number[]) => a.every((v, l) => v === b[l]);
  return now - old.at >= every && !(same(t.depth, old.depth) && same(t.branch, old.branch) && t.opens === old.open);
}
