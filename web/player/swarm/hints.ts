// Whom others are told of, and which neighbours there are too many (docs/spec/live-swarm.md 7.2.8 and 7.5.5).
import { type Hint, reasons } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { div, second, type Time } from "./time.ts";

/** How many neighbours, drawn by chance where there are more, hints are the best of: so that none of them is overrun. */
const hintSample = 64;

/** Where a neighbour may be found. */
export function hintOf(nb: Neighbour): Hint {
  return { id: nb.id, role: nb.role, address: nb.info.address };
}

/** At most so many peers that somebody else might go to: half those with the most to give, half anybody, so that the best are not overrun. */
export function hintsFor(n: Node, to: Neighbour, most: number): Hint[] {
  const { conns, random } = n;
  const from = conns.length > hintSample ? Array.from({ length: hintSample }, () => conns[random.below(conns.length)]!) : conns;
  const able = [...new Set(from)].filter((nb) => nb !== to && nb.hello && !nb.leaf && !nb.draining && nb.role !== "seed");
  able.sort((a, b) => b.spare() - a.spare());
  if (able.length > most) {
    for (let i = div(most, 2); i < most; i++) {
      const j = i + random.below(able.length - i);
      [able[i], able[j]] = [able[j]!, able[i]!];
    }
  }
  return able.slice(0, most).map(hintOf);
}

/** Makes room among the neighbours: when there are many more than are wanted, the least useful one goes. */
export function prune(n: Node, now: Time): void {
  if (n.role !== "viewer" || n.conns.length < n.t.Neighbours) return;
  let worst: Neighbour | null = null;
  for (const nb of n.conns) {
    if (nb.inUse() || now - nb.since < 5 * second || nb.role === "seed" || nb.rtt === 0) continue;
    if (!worst || nb.rtt > worst.rtt) worst = nb;
  }
  if (!worst) return;
  const farthest = worst.rtt;
  const nearer = n.conns.filter((nb) => nb.rtt > 0 && 2 * nb.rtt < farthest).length;
  if (n.conns.length <= 2 * n.t.Neighbours && nearer < div(n.t.Neighbours, 2)) return;
  n.drop(now, worst, reasons.useless);
}
