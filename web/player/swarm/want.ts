// Which renditions are wanted while a node runs (docs/spec/live-swarm.md 7.1.14).
import { give } from "./children.ts";
import { newLane, orphan, subscribe } from "./lanes.ts";
import { noDepth } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { cancel } from "./push.ts";
import { tellStates } from "./states.ts";
import { never, second, type Time } from "./time.ts";
import { abandon, type Track } from "./window.ts";

/** How long what is here of a rendition that is no longer wanted is kept for others: as long as a live window is. */
const leftWindow = 30 * second;

/** Begins or ends wanting a rendition. */
export function want(n: Node, now: Time, t: Track, on: boolean): void {
  if (t.source || on === t.wanted) return;
  if (on) {
    Object.assign(t, { wanted: true, left: 0, headsAt: now });
    n.maintainAt = now;
  } else {
    forgetLeft(n, never); // of those that were left, the newest is kept
    t.left = now;
    leave(n, now, t);
  }
}

/** Takes back all that was asked of others in a rendition, and hands over its children. */
function leave(n: Node, now: Time, t: Track): void {
  t.wanted = false;
  for (const p of t.open) {
    for (const [i, { by }] of (p.asks ?? []).entries()) if (by) cancel(n, by, p, i);
    abandon(p);
  }
  Object.assign(t, { open: [], asked: [], due: never, headsAt: never, follows: false, play: null, began: 0, headMisses: 0 });

  const above = new Set<Neighbour | null>();
  for (const [l, { parent, next }] of t.lanes.entries()) {
    above.add(parent).add(next);
    orphan(now, t, l);
    t.lanes[l] = newLane();
    t.depth[l] = noDepth;
    t.branch[l] = 0;
  }
  for (const nb of n.conns) if (above.has(nb)) subscribe(n, nb, t, false);
  tellStates(n, now); // children look for others at once
  for (const nb of t.children.slice()) {
    give(nb, t, 0);
    n.send(nb, { type: "Grant", r: t.r, lanes: 0 });
    n.sendHints(nb);
  }
}

/** Lets go of what nobody can play live any more of renditions that were left. */
export function forgetLeft(n: Node, now: Time): void {
  for (const t of n.tracks) {
    if (t.left === 0 || t.wanted || now - t.left <= leftWindow) continue;
    t.pieces.length = 0;
    t.left = 0;
  }
}
