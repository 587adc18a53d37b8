// Init segments (docs/spec/live-swarm.md 4.19, 5.8 and 7.4.10).
import { type Bytes, concat } from "../bytes.ts";
import type { Segment } from "./effects.ts";
import { type GetInit, type Init, initChunk, maxInit, reasons } from "./messages.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Node } from "./node.ts";
import { millisecond, never, second, type Time } from "./time.ts";

interface Wanted {
  root: string;
  from: Neighbour | null;
  until: Time;
  tries: number;
  data: Bytes;
}

const maxInits = 8;
const initAgain = second;
/** Before another is asked, where one has none. */
const initNone = 150 * millisecond;
const initTries = 32;
const nothing = new Uint8Array(0);

/** The newest init segments, and what is gathered of those that are wanted. */
export class Inits {
  private readonly have: Segment[] = [];
  want: Wanted[] = [];

  find(root: string): Bytes | undefined {
    return this.have.find((s) => s.root === root)?.data;
  }

  add(root: string, data: Bytes): void {
    if (this.find(root)) return;
    this.have.push({ root, data });
    if (this.have.length > maxInits) this.have.shift();
    this.want = this.want.filter((w) => w.root !== root);
  }

  /** When the next init segment is to be asked for again. */
  at(): Time {
    return Math.min(never, ...this.want.map((w) => w.until));
  }
}

/** Asks for an init segment that is not here. Where `from` is null, the caller has the head, and the segment too. */
export function needInit(n: Node, now: Time, root: string, from: Neighbour | null): void {
  const { inits } = n;
  if (!from || inits.find(root) || inits.want.some((w) => w.root === root)) return;
  if (inits.want.length >= maxInits) inits.want.shift();
  inits.want.push({ root, from, until: now + initAgain + from.trip(), tries: 0, data: nothing });
  n.send(from, { type: "GetInit", root });
}

/** Asks others for the init segments that did not come. Those who pass on a head at once may not have its init segment yet. */
export function retryInits(n: Node, now: Time): void {
  const { inits } = n;
  inits.want = inits.want.filter((w) => w.tries < initTries || w.until > now);
  for (const w of inits.want) {
    if (w.until > now) continue;
    const other = n.pick((nb) => nb.hello && !(nb === w.from && n.conns.length > 1));
    w.tries++;
    Object.assign(w, { data: nothing, from: other, until: now + initAgain });
    if (!other) continue;
    w.until += other.trip();
    n.send(other, { type: "GetInit", root: w.root });
  }
}

export function onGetInit(n: Node, now: Time, nb: Neighbour, m: GetInit): void {
  const data = n.inits.find(m.root);
  if (!data) {
    n.send(nb, { type: "Init", root: m.root, total: 0, offset: 0, data: nothing });
    return;
  }
  if (!n.afford(now, nb, data.length)) return;
  for (let at = 0; at < data.length; at += initChunk) {
    n.send(nb, { type: "Init", root: m.root, total: data.length, offset: at, data: data.subarray(at, at + initChunk) });
  }
}

export function onInit(n: Node, now: Time, nb: Neighbour, m: Init): void {
  const w = n.inits.want.find((o) => o.root === m.root && o.from === nb);
  if (!w) return;
  if (m.total === 0 || m.total > maxInit || m.offset !== w.data.length || m.offset + m.data.length > m.total) {
    Object.assign(w, { data: nothing, until: now + initNone });
    return;
  }
  w.data = concat(w.data, m.data);
  if (w.data.length < m.total) return;
  if (!n.verifier.init(m.root, w.data)) {
    n.figures.rejected++;
    n.drop(now, nb, reasons.liedBlock);
    Object.assign(w, { data: nothing, until: now });
    return;
  }
  n.inits.add(m.root, w.data);
  n.out.inits.push({ root: m.root, data: w.data });
}
