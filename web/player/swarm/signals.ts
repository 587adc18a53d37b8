// Whom to connect to, and signals to those who are not connected (docs/spec/live-swarm.md 6.3 and 7.5.7).
import type { Bytes } from "../bytes.ts";
import type { Conn } from "./effects.ts";
import { dialCost } from "./guard.ts";
import { looking } from "./lanes.ts";
import { maxSignal, type PeerId, type Peers, type Signal } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import type { Time } from "./time.ts";

/** How a peer that is not connected can be signalled. */
export interface Way {
  to: PeerId;
  via: Conn;
}

/** How many of those are remembered. */
const maxWays = 128;

/** Passes on whom to connect to. */
export function onPeers(n: Node, now: Time, nb: Neighbour, m: Peers): void {
  if (n.role === "seed") return;
  const wanted = n.t.Neighbours * (looking(n) || nb.parent() ? 2 : 1);
  let room = wanted - n.conns.length;
  for (const h of m.hints) {
    if (room <= 0 || !n.dials.take(now, dialCost)) return;
    if (h.id === n.id || n.conns.some((o) => o.hello && o.id === h.id)) continue;
    learnWay(n, h.id, nb.conn);
    n.out.dial.push(h);
    room--;
  }
}

/** Hands a signal on by one hop, or to this node's transport. */
export function onSignal(n: Node, nb: Neighbour, m: Signal): void {
  if (m.to === n.id) {
    learnWay(n, m.from, nb.conn);
    n.out.signals.push(m);
    return;
  }
  if (m.from !== nb.id) return;
  const to = n.conns.find((o) => o.hello && o.id === m.to && o !== nb);
  if (to) n.send(to, m);
}

/** Sends a signal to a peer that is not connected, through whom it was heard of. */
export function relay(n: Node, to: PeerId, body: Bytes): void {
  if (body.length > maxSignal) return;
  for (const w of n.ways) {
    const via = n.at(w.via);
    if (w.to === to && via?.hello) n.send(via, { type: "Signal", from: n.id, to, body });
  }
}

/** Remembers through whom a peer was heard of last. */
function learnWay(n: Node, to: PeerId, via: Conn): void {
  n.ways = n.ways.filter((w) => w.to !== to);
  n.ways.push({ to, via });
  if (n.ways.length > maxWays) n.ways.shift();
}
