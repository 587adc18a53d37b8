// What is sent when (docs/spec/live-swarm.md 7.3), and what comes of blocks that arrive.
import type { Bytes } from "../bytes.ts";
import { headSize } from "./codec_head.ts";
import { type Source, sources } from "./effects.ts";
import { headGrace } from "./heads.ts";
import { delivered } from "./lanes.ts";
import { hasLane, Mask } from "./masks.ts";
import { type Block, blockLen, type Cancel, type Deny, type GetHeads, maxBlocks, reasons, type Want } from "./messages.ts";
import { creditStart, maxWaste, type Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { answered, mostBusy } from "./repair.ts";
import { div, millisecond, never, second, seconds, type Time } from "./time.ts";
import { before, laneOf, type Piece, type Track } from "./window.ts";

/** Blocks that wait for one neighbour. */
const maxQueue = 2 * maxBlocks;

/** How much may wait for the uplink before wants are denied: what was promised to children goes first. */
const busyQueue = 150 * millisecond;

/** Lines up block i of p for a neighbour. */
function enqueue(n: Node, now: Time, nb: Neighbour, p: Piece, i: number, want: boolean): boolean {
  const waits = nb.queue.find((q) => q.p === p && q.i === i);
  if (waits) {
    waits.want ||= want;
    return true;
  }
  if (nb.queue.length >= maxQueue) return false;
  if (!nb.busy) {
    nb.busy = true;
    n.busy.push(nb);
  }
  nb.queue.push({ p, i, size: p.blocks[i]!.length, at: now, since: now, want });
  return true;
}

/** Pushes a verified block to the children of its lane. */
function forward(n: Node, now: Time, t: Track, p: Piece, i: number, from: Neighbour | null): void {
  const l = laneOf(n.t, p.at.n, i);
  for (const nb of n.conns) {
    const nt = nb.tracks[t.index];
    if (nb === from || !nt) continue;
    const pushed = hasLane(nt.gives, l) || (hasLane(nt.lingers, l) && now < nt.lingerTo);
    if (pushed && !nt.haves.has(p.at)) enqueue(n, now, nb, p, i, false);
  }
}

/** Sends what is queued as far as budget and credit go: what waits longest first, and of what came together first to whom has most to give on. */
export function pump(n: Node, now: Time): void {
  if (n.busy.length === 0) {
    n.uplink.readyAt = never;
    return;
  }
  if (now < n.uplink.readyAt && n.uplink.readyAt !== never) return;
  const rate = totalRate(n);
  for (;;) {
    const next = longest(n, now, rate);
    if (!next) {
      n.uplink.readyAt = never;
      return;
    }
    if (freshen(n, now, next)) continue;
    const q = next.queue[0]!;
    if (!n.uplink.take(now, q.size, n.t.Burst)) return;
    next.queue.shift();
    next.sent += q.size;
    n.figures.sent += q.size;
    n.send(next, { type: "Block", ...q.p.key, index: q.i, data: q.p.blocks[q.i]! });
  }
}

/** Of those with blocks waiting and credit for them, whose block is to go next. */
function longest(n: Node, now: Time, rate: number): Neighbour | null {
  let next: Neighbour | null = null;
  let first: Time = 0;
  const busy: Neighbour[] = [];
  for (const nb of n.busy) {
    nb.busy = nb.queue.length > 0 && !nb.gone;
    if (!nb.busy) {
      nb.queue = [];
      continue;
    }
    busy.push(nb);
    if (blocked(nb)) {
      freshen(n, now, nb);
      continue;
    }
    const at = nb.queue[0]!.at - headStart(n, nb, rate);
    if (!next || at < first || (at === first && nb.up > next.up)) {
      next = nb;
      first = at;
    }
  }
  n.busy = busy;
  return next;
}

/** The rate of all renditions, in bit/s. */
function totalRate(n: Node): number {
  return n.tracks.reduce((sum, t) => sum + t.rate * 8, 0);
}

/** How much earlier than they came blocks for a neighbour count as come: who has the uplink to pass on many times the rate goes first. */
function headStart(n: Node, nb: Neighbour, rate: number): Time {
  return Math.trunc(Math.min(nb.up / Math.max(4 * rate, 1), 1) * n.t.HeadStart);
}

/** Reports whether a neighbour's credit is short of what waits for it. */
function blocked(nb: Neighbour): boolean {
  return nb.queue.length > 0 && nb.sent + nb.queue[0]!.size > nb.limit;
}

/** Takes in how much a neighbour lets this node send it. What it asked for waits for the uplink from now on only. */
export function credit(now: Time, nb: Neighbour, limit: number): void {
  if (blocked(nb)) for (const q of nb.queue) if (q.want) q.at = now;
  nb.limit = Math.max(nb.limit, limit);
}

/**
 * Drops from the front of a queue what its receiver has no use for any more, and reports whether that was anything.
 * Who asked for what waited too long is told.
 */
function freshen(n: Node, now: Time, nb: Neighbour): boolean {
  let dropped = false;
  const short = blocked(nb);
  for (let q = nb.queue[0]; q; q = nb.queue[0]) {
    const old = q.want && short ? now - q.since > mostBusy : now - q.at > n.t.QueueMax; // it is the asker's own credit that is short
    if (!old && (q.want || !hasIt(n, nb, q.p))) break;
    if (q.want) n.send(nb, { type: "Deny", ...q.p.key, blocks: Mask.of(q.i) });
    nb.queue.shift();
    dropped = true;
  }
  return dropped;
}

function hasIt(n: Node, nb: Neighbour, p: Piece): boolean {
  const t = n.known(p.head.entry.r);
  return (t && nb.tracks[t.index]?.haves.has(p.at)) ?? false;
}

/** How long what waits will take on the uplink. A seed's is as long as it gets. */
function backlog(n: Node): Time {
  if (n.role === "seed" || n.uplink.free || n.uplink.rate <= 0) return 0;
  let sum = -n.uplink.tokens;
  for (const nb of n.busy) if (!nb.gone && !blocked(nb)) for (const q of nb.queue) sum += q.size;
  return Math.trunc((sum / n.uplink.rate) * second);
}

export function onWant(n: Node, now: Time, nb: Neighbour, m: Want): void {
  const denied: Deny = { type: "Deny", r: m.r, epoch: m.epoch, n: m.n, blocks: new Mask() };
  const p = n.up > 0 ? (n.known(m.r)?.find(m) ?? null) : null;
  const busy = backlog(n) > busyQueue;
  for (const i of m.blocks.list()) {
    if ((busy && nb.queue.length > 0) || !p?.blocks[i] || !enqueue(n, now, nb, p, i, true)) denied.blocks.set(i);
  }
  if (denied.blocks.size > 0) n.send(nb, denied);
}

export function onCancel(nb: Neighbour, m: Cancel): void {
  nb.queue = nb.queue.filter((q) => !(q.p.at.epoch === m.epoch && q.p.at.n === m.n && q.p.head.entry.r === m.r && m.blocks.has(q.i)));
}

export function onGetHeads(n: Node, now: Time, nb: Neighbour, m: GetHeads): void {
  const t = n.known(m.r);
  if (!t) return;
  for (let i = t.search(m); i < t.pieces.length; i++) {
    const p = t.pieces[i]!;
    if (p.at.epoch !== m.epoch || p.at.n >= m.n + m.count) return;
    if (!n.afford(now, nb, headSize(p.head))) return;
    n.send(nb, p.head);
  }
}

/** Takes in a block, pushed or wanted. */
export function onBlock(n: Node, now: Time, nb: Neighbour, b: Block): void {
  nb.received += b.data.length;
  if (nb.received > nb.allowed) {
    n.drop(now, nb, reasons.flooding);
    return;
  }
  topUp(n, nb);
  const t = n.known(b.r);
  if (!t?.wanted || t.source || before(b, t.floor) || (t.follows && before(b, t.from))) {
    n.figures.unasked += b.data.length;
    wasted(n, now, nb, b.data.length);
    return;
  }
  const p = t.find(b);
  if (p) {
    place(n, now, t, p, b.index, b.data, nb, nb.source(), false);
    return;
  }
  nb.hold(b);
  if (wasted(n, now, nb, b.data.length)) return;
  t.headsAt = Math.min(t.headsAt, now + headGrace);
  nb.track(t).haves.add(b, 1); // who sends a block knows its head
}

/** Grants more credit when half of it is used (7.3.4). */
function topUp(n: Node, nb: Neighbour): void {
  let [rate, largest] = [0, 0];
  for (const t of n.tracks) {
    if (!t.wanted || t.source) continue;
    rate += t.rate;
    largest = Math.max(largest, t.largest);
  }
  let window = Math.trunc(Math.min(rate * seconds(nb.trip() + n.t.CreditAhead), n.t.CreditMax));
  window = Math.min(Math.max(window, 2 * largest, creditStart), n.t.CreditMax);
  if (nb.allowed - nb.received >= div(window, 2)) return;
  nb.allowed = nb.received + window;
  n.send(nb, { type: "Credit", limit: nb.allowed });
}

/**
 * Takes note of bytes that nobody asked for, or whose use is not known yet, and reports whether that was once too
 * often. A little of that comes with every change of lanes; who sends more is flooding.
 */
function wasted(n: Node, now: Time, nb: Neighbour, size: number): boolean {
  nb.waste += size;
  if (nb.waste <= maxWaste) return false;
  n.drop(now, nb, reasons.flooding);
  return true;
}

/**
 * Puts a block into its piece if it is genuine, or known to be, and passes it on. `from` is null for blocks that did
 * not come by a connection.
 */
export function place(n: Node, now: Time, t: Track, p: Piece, i: number, data: Bytes, from: Neighbour | null, by: Source, trusted: boolean): void {
  const l = laneOf(n.t, p.at.n, i);
  if (i >= p.blocks.length || data.length !== blockLen(p.head.entry.size, i)) {
    falseBlock(n, now, p, from);
    return;
  }
  const { parent, since } = t.lanes[l]!;
  if (p.blocks[i]) {
    if (from || by === sources.origin) {
      p.dup += data.length;
      n.figures.duplicate += data.length;
    }
    if (from && parent === from) delivered(now, t, l, p);
    answered(p, from, i);
    if (from) wasted(n, now, from, data.length);
    return;
  }
  if (!trusted && !n.verifier.block(p.head, i, data)) {
    falseBlock(n, now, p, from);
    return;
  }
  p.blocks[i] = data;
  p.left--;
  p.from[by]! += data.length;
  n.figures.received[by]! += data.length;
  if (from) {
    from.waste = Math.max(0, from.waste - 2 * data.length);
    from.late = 0;
    from.blockAt = now;
    if (parent === from) delivered(now, t, l, p);
  }
  const other = answered(p, from, i);
  if (other) cancel(n, other, p, i);
  // The parent may not have pushed it yet.
  if (parent && parent !== from && parent !== other && p.headAt >= since) cancel(n, parent, p, i);
  forward(n, now, t, p, i, from);
  if (p.whole) finished(n, t, p);
}

export function cancel(n: Node, nb: Neighbour, p: Piece, i: number): void {
  n.send(nb, { type: "Cancel", ...p.key, blocks: Mask.of(i) });
}

function falseBlock(n: Node, now: Time, p: Piece, from: Neighbour | null): void {
  p.rejected++;
  n.figures.rejected++;
  if (from) n.drop(now, from, reasons.liedBlock);
}

/** Announces a piece that is whole, to whom it is news. Who gives nothing tells only those who push to it. */
export function finished(n: Node, t: Track, p: Piece): void {
  t.close(p);
  n.out.pieces.push({ head: p.head, blocks: p.blocks as Bytes[], bytes: p.from, duplicate: p.dup, rejected: p.rejected });
  for (const nb of n.conns) {
    const nt = nb.track(t);
    if (nb.hello && nb.role !== "seed" && !nt.haves.has(p.at) && (n.up > 0 || nt.granted !== 0)) n.send(nb, { type: "Have", ...p.key, count: 1 });
  }
}
