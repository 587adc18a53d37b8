// Messages as they come, and neighbours as they introduce themselves (docs/spec/live-swarm.md 3.3, 6.2 and 7.5).
import { onDrain, onSubscribe } from "./children.ts";
import { onHead } from "./follow.ts";
import { cost, possible } from "./guard.ts";
import { onGetInit, onInit } from "./inits.ts";
import { onGrant } from "./lanes.ts";
import { type Have, type Hello, maxRun, type Message, reasons } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { credit, onBlock, onCancel, onGetHeads, onWant, pump } from "./push.ts";
import { onGetRecords, onRecords } from "./records.ts";
import { onDeny, onHave } from "./repair.ts";
import { onPeers, onSignal } from "./signals.ts";
import { onState, stateOf } from "./states.ts";
import { second, type Time } from "./time.ts";
import type { Track } from "./window.ts";

/** How far apart two peers may dial each other without seeing it. */
const twins = 5 * second;

/** Takes in one message of a neighbour. */
export function receive(n: Node, now: Time, nb: Neighbour, m: Message): void {
  nb.heardAt = now;
  if (!possible(m)) {
    n.drop(now, nb, reasons.badMessage);
  } else if ((m.type === "Hello") === nb.hello) {
    if (m.type !== "Bye") n.drop(now, nb, reasons.badMessage);
  } else if (m.type === "Hello") {
    greet(n, now, nb, m);
    pump(n, now);
  } else if (!nb.guard.take(now, cost(m))) {
    n.drop(now, nb, reasons.flooding);
  } else {
    handle(n, now, nb, m);
    pump(n, now);
  }
}

function handle(n: Node, now: Time, nb: Neighbour, m: Exclude<Message, Hello>): void {
  switch (m.type) {
    case "Block":
      return onBlock(n, now, nb, m);
    case "Head":
      return onHead(n, now, nb, m);
    case "Have":
      return onHave(n, now, nb, m);
    case "Want":
      return onWant(n, now, nb, m);
    case "Cancel":
      return onCancel(nb, m);
    case "Deny":
      return onDeny(n, now, nb, m);
    case "GetHeads":
      return onGetHeads(n, now, nb, m);
    case "Subscribe":
      return onSubscribe(n, now, nb, m);
    case "Grant":
      return onGrant(n, now, nb, m);
    case "State":
      return onState(n, now, nb, m);
    case "Credit":
      return credit(now, nb, m.limit);
    case "Ping":
      return n.send(nb, { type: "Pong", token: m.token });
    case "Pong":
      return nb.pong(now, m);
    case "Peers":
      return onPeers(n, now, nb, m);
    case "Drain":
      onDrain(n, nb);
      n.maintainAt = now;
      return;
    case "GetRecords":
      return onGetRecords(n, now, nb);
    case "Records":
      return onRecords(n, now, nb, m);
    case "GetInit":
      return onGetInit(n, now, nb, m);
    case "Init":
      return onInit(n, now, nb, m);
    case "Signal":
      return onSignal(n, nb, m);
    case "Bye":
      return; // the transport tells when it is closed
  }
}

/** Takes in a neighbour's Hello and tells it what there is. */
function greet(n: Node, now: Time, nb: Neighbour, h: Hello): void {
  if (h.stream !== n.stream) return n.drop(now, nb, reasons.wrongStream);
  if (h.version === 0) return n.drop(now, nb, reasons.badMessage);
  if (h.id === n.id) return n.drop(now, nb, reasons.useless);
  Object.assign(nb, { hello: true, id: h.id, role: h.role, leaf: h.leaf || h.up === 0, up: h.up * 1000 });
  const twin = twinOf(n, nb);
  if (twin) {
    n.drop(now, twin, reasons.useless);
    if (twin === nb) return;
  }
  if (n.conns.length > n.t.MaxConns && !makeRoom(n, now, nb)) return;
  for (const t of n.tracks) {
    n.send(nb, stateOf(t));
    for (const have of runs(t)) n.send(nb, have);
  }
  n.maintainAt = now;
}

/**
 * Which of two connections to the same peer is one too many. Of two that were dialled from either side at about the
 * same time, both sides keep the one that the smaller id dialled. Otherwise the one that stood first stays, so that
 * nobody pushes another out by calling itself by its id; where that may look different from the other side, the
 * greater id decides alone.
 */
function twinOf(n: Node, nb: Neighbour): Neighbour | null {
  for (const o of n.conns) {
    if (o === nb || !o.hello || o.id !== nb.id) continue;
    const mine = n.id < nb.id; // the one this side dialled stays
    const apart = Math.abs(nb.since - o.since) > twins;
    if (o.info.outbound === nb.info.outbound) return mine ? null : nb;
    if (apart && mine) continue;
    if (apart) return o.since < nb.since ? nb : o;
    return nb.info.outbound === mine ? o : nb;
  }
  return null;
}

/** Hands over a neighbour too many to others: the newcomer, or one that gives less. Reports whether the newcomer stays. */
function makeRoom(n: Node, now: Time, nb: Neighbour): boolean {
  let least = nb;
  for (const o of n.conns) {
    if (!o.hello || o.role !== "viewer" || (n.role === "viewer" && o.inUse())) continue;
    if (o.up < least.up) least = o;
  }
  n.sendHints(least);
  n.drop(now, least, reasons.useless);
  return least !== nb;
}

/** Announcements of all that is here, whole. */
export function runs(t: Track): Have[] {
  const out: Have[] = [];
  for (const p of t.pieces) {
    if (!p.whole) continue;
    const last = out.at(-1);
    if (last && last.epoch === p.at.epoch && last.n + last.count === p.at.n && last.count < maxRun) last.count++;
    else out.push({ type: "Have", ...p.key, count: 1 });
  }
  return out;
}
