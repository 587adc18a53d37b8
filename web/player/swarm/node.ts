import type { Bytes } from "../bytes.ts";
import type { Position } from "../documents.ts";
import { blockSize } from "../merkle.ts";
import { give, lift, shed, thin } from "./children.ts";
import { type Conn, type Effects, noEffects, type Source } from "./effects.ts";
import { addHead, follow, play } from "./follow.ts";
import { answerSize, Guard, Pacer } from "./guard.ts";
import { askHeads } from "./heads.ts";
import { hintsFor, prune } from "./hints.ts";
import { Inits, retryInits } from "./inits.ts";
import { adopt, orphan } from "./lanes.ts";
import { laneCount } from "./masks.ts";
import { blockLen, type Key, maxTracks, type Message, noDepth, type OpenHead, type PeerId, type Reason, reasons, type Role, version } from "./messages.ts";
import { type Info, Neighbour, silence } from "./neighbour.ts";
import { fetched, fetchFailed } from "./origin.ts";
import { place, pump } from "./push.ts";
import { Random } from "./random.ts";
import { receive, runs } from "./receive.ts";
import { addRecord } from "./records.ts";
import { release, repair } from "./repair.ts";
import { relay, type Way } from "./signals.ts";
import { tellStates } from "./states.ts";
import { div, type Time } from "./time.ts";
import { defaultTuning, type Tuning } from "./tuning.ts";
import type { RecordVerdict, Verifier } from "./verifier.ts";
import { forgetLeft, want } from "./want.ts";
import { type Bounds, liveWindow, Track } from "./window.ts";

/** Who a node is. */
export interface Config {
  stream: string;
  id: PeerId;
  role: Role;
  verifier: Verifier;
  /** The renditions to receive; none for a seed that is fed by its caller. */
  wants: string[];
  /** Further renditions that may be wanted later (see want): what neighbours say of them is remembered. */
  others?: string[];
  /** What is kept of each rendition; the live window where it is left out. */
  keeps?: Bounds;
  /** The uplink budget in bit/s, all connections together: 0 gives nothing, Infinity knows no bound but credit. */
  up: number;
  /** Set where there is nobody to fetch from. */
  noOrigin?: boolean;
  /** Seeds the node's choices, so that the same inputs give the same outputs. */
  random: number;
  tuning?: Tuning;
}

/** What a node has done so far. */
export interface Figures {
  sent: number; // bytes of blocks
  received: number[]; // bytes of good blocks by source, each once
  duplicate: number; // bytes of blocks that were here already
  unasked: number; // bytes of blocks that nobody can use any more
  rejected: number; // false blocks
  dropped: number[]; // connections ended from this side, by reason
}

export interface Stats extends Figures {
  conns: number;
  children: number; // lanes that are pushed to others, all renditions together
  parents: number; // lanes that are received
}

/** One who is connected. */
export interface Peer {
  conn: Conn;
  /** Empty before it introduced itself. */
  id: PeerId;
  role: Role;
  rtt: Time; // shortest recent round trip; 0: unknown
  granted: number; // lanes that it pushes to this node
  given: number; // and this node to it
  missed: number; // blocks that were due from it and did not come in time
}

/** What a small message takes of the uplink, packets' headers included. */
const controlCost = 90;

/**
 * One peer's part in one stream's swarm (docs/spec/live-swarm.md 6 and 7). Whoever runs it tells it what happens and
 * when, and does what effects() says; nothing in it waits, and the same inputs give the same effects.
 */
export class Node {
  // What the files of this directory share; none of it is for others.
  readonly stream: string;
  readonly id: PeerId;
  readonly role: Role;
  readonly verifier: Verifier;
  readonly noOrigin: boolean;
  readonly t: Tuning;
  readonly random: Random;
  readonly tracks: Track[] = [];
  readonly inits = new Inits();
  readonly uplink = new Pacer();
  readonly dials = new Guard(0); // of peers that others name
  readonly figures: Figures = { sent: 0, received: [0, 0, 0, 0], duplicate: 0, unasked: 0, rejected: 0, dropped: Array<number>(reasons.liedHead + 1).fill(0) };
  conns: Neighbour[] = []; // by age
  busy: Neighbour[] = []; // those with blocks waiting for them
  ways: Way[] = []; // how peers that are not connected are signalled
  up: number;
  swarm = 0; // peers in it, as far as told
  draining = false;
  maintainAt: Time = 0; // lanes, neighbours and states are looked at by then
  out: Effects = noEffects();
  private readonly feeds: boolean;
  private readonly keeps: Bounds;
  private improveAt: Time = 0;

  /** A node that has no connections and knows of nothing. */
  constructor(c: Config) {
    this.stream = c.stream;
    this.id = c.id;
    this.role = c.role;
    this.verifier = c.verifier;
    this.noOrigin = c.noOrigin ?? false;
    this.t = c.tuning ?? defaultTuning;
    this.random = new Random(c.random);
    this.up = c.up;
    this.feeds = c.role !== "viewer" && c.wants.length === 0;
    this.keeps = c.keeps ?? liveWindow;
    for (const r of c.wants) this.track(r).wanted = true;
    for (const r of c.others?.slice(0, Math.max(maxTracks - this.tracks.length, 0)) ?? []) this.track(r);
    this.uplink.set(c.up);
  }

  /** Hands over what is to be done since it was asked last. */
  effects(): Effects {
    const { out } = this;
    this.out = noEffects();
    return out;
  }

  stats(): Stats {
    const tracks = this.conns.flatMap((nb) => nb.tracks);
    const sum = (count: (nt: (typeof tracks)[number]) => number) => tracks.reduce((all, nt) => all + count(nt), 0);
    const { received, dropped } = this.figures;
    return {
      ...this.figures,
      received: received.slice(),
      dropped: dropped.slice(),
      conns: this.conns.length,
      children: sum((nt) => laneCount(nt.gives)),
      parents: sum((nt) => laneCount(nt.granted)),
    };
  }

  /** Who is connected, by age. */
  peers(): Peer[] {
    return this.conns.map((nb) => {
      const lanesOf = (which: (nt: (typeof nb.tracks)[number]) => number) => nb.tracks.reduce((all, nt) => all + laneCount(which(nt)), 0);
      return { conn: nb.conn, id: nb.id, role: nb.role, rtt: nb.rtt, granted: lanesOf((nt) => nt.granted), given: lanesOf((nt) => nt.gives), missed: nb.missed };
    });
  }

  /** Reports whether a rendition is wanted. */
  wants(r: string): boolean {
    return this.known(r)?.wanted ?? false;
  }

  /** How many lanes of a rendition come, of allLanes. */
  parents(r: string): number {
    const t = this.known(r);
    return t ? t.lanes.filter((ln, l) => ln.parent && t.depth[l] !== noDepth).length : 0;
  }

  /** Bytes of blocks that are kept. */
  held(): number {
    return this.tracks.reduce((all, t) => all + t.bytes, 0);
  }

  /** Changes the uplink budget, in bit/s. Children that it no longer bears go first to others. */
  setUp(now: Time, bitsPerSecond: number): void {
    if (this.up <= 0 && bitsPerSecond > 0) this.announce();
    this.up = bitsPerSecond;
    this.uplink.set(bitsPerSecond);
    shed(this);
    pump(this, now);
  }

  /** Tells how many peers there are in all, as a tracker knows: a seed feeds more first copies to a larger swarm. */
  setSwarm(size: number): void {
    this.swarm = size;
  }

  /** Takes in a new connection. */
  connected(now: Time, c: Conn, info: Info): void {
    if (this.conns.length >= 2 * this.t.MaxConns) {
      this.out.drop.push({ conn: c, reason: reasons.useless });
      return;
    }
    const nb = new Neighbour(c, info, now);
    this.conns.push(nb);
    const up = Math.min(div(Math.max(this.up, 0), 1000), 0xffff_ffff);
    this.send(nb, { type: "Hello", version, stream: this.stream, id: this.id, role: this.role, leaf: this.up <= 0 || this.draining, up });
    this.ping(now, nb);
  }

  /** Takes note that a connection is gone. */
  closed(now: Time, c: Conn): void {
    const nb = this.at(c);
    if (!nb) return;
    this.forget(now, nb);
    this.maintain(now);
  }

  /** Takes in one message. */
  receive(now: Time, c: Conn, m: Message): void {
    const nb = this.at(c);
    if (nb) receive(this, now, nb, m);
  }

  /** Takes note of a frame that is no message to this version: it counts against the neighbour's allowance like one. */
  ignored(now: Time, c: Conn): void {
    const nb = this.at(c);
    if (nb && !nb.guard.take(now, 1)) this.drop(now, nb, reasons.flooding);
  }

  /** When tick is due. */
  wake(): Time {
    return Math.min(this.maintainAt, this.uplink.readyAt, this.inits.at(), ...this.tracks.flatMap((t) => [t.headsAt, t.due]));
  }

  /** Does what is due by time alone. */
  tick(now: Time): void {
    for (const t of this.tracks) {
      if (t.headsAt <= now) askHeads(this, now, t);
      repair(this, now, t);
    }
    retryInits(this, now);
    if (this.maintainAt <= now) this.maintain(now);
    pump(this, now);
  }

  /**
   * Says whether a rendition is to be received from now on, and reports whether it is: nothing more can be wanted
   * than a node keeps state of. What is here of one that is no longer wanted is still given to who asks, for a live
   * window; its lanes are given back, and its children told others to go to. What a seed is fed by its caller stays as it is.
   */
  want(now: Time, r: string, on: boolean): boolean {
    const t = this.known(r) ?? (on && this.tracks.length < maxTracks ? this.track(r) : undefined);
    if (t) want(this, now, t, on);
    return t?.wanted ?? false;
  }

  /** Says from where on a rendition is wanted; nothing before is asked for. */
  follow(now: Time, r: string, from: Position): void {
    const t = this.known(r);
    if (!t) return;
    follow(now, t, from);
    this.maintainAt = now;
  }

  /** Tells when the media at `pts` (ticks) of an epoch is played, so that it is known how much time there is for the rest. */
  play(now: Time, r: string, epoch: number, pts: number, at: Time): void {
    const t = this.known(r);
    if (t) play(now, t, epoch, pts, at);
  }

  /** Takes in a verified head of the caller's, whose piece may come from anywhere. */
  addHead(now: Time, h: OpenHead): void {
    const t = this.room(h);
    if (!t) return;
    addHead(this, now, t, h, null);
    pump(this, now);
  }

  /** Takes in a verified piece of the caller's, whose data it keeps. Blocks that were missing are counted to `by`. */
  add(now: Time, h: OpenHead, data: Bytes, by: Source): void {
    const t = this.room(h);
    if (!t || data.length !== h.entry.size) return;
    addHead(this, now, t, h, null);
    const p = t.find(h.entry);
    for (const i of p?.blocks.keys() ?? []) {
      place(this, now, t, p!, i, data.subarray(i * blockSize, i * blockSize + blockLen(data.length, i)), null, by, true);
    }
    pump(this, now);
  }

  /** Takes in what the origin answered to a Fetch: whole blocks from the first that was asked for on, not verified. */
  fetched(now: Time, k: Key, first: number, data: Bytes): void {
    fetched(this, now, k, first, data);
  }

  /** Takes in that the origin has no answer to a Fetch. */
  fetchFailed(now: Time, k: Key): void {
    fetchFailed(this, now, k);
  }

  /** Takes in a verified init segment of the caller's. */
  addInit(root: string, data: Bytes): void {
    this.inits.add(root, data);
  }

  /** Takes in a rotation or session record from the caller and passes it on. */
  addRecord(now: Time, envelope: Bytes): RecordVerdict {
    return addRecord(this, now, envelope);
  }

  /** Sends a signal to a peer that is not connected, through whom it was heard of. */
  relay(now: Time, to: PeerId, body: Bytes): void {
    relay(this, to, body);
    pump(this, now);
  }

  /** Says goodbye to children, with others to go to, and takes none from now on. The caller closes the connections a little later. */
  drain(): void {
    this.draining = true;
    for (const nb of this.conns) {
      this.sendHints(nb);
      this.send(nb, { type: "Drain" });
    }
  }

  // The rest is for the files of this directory.

  /** Who is at the other end of a connection. */
  at(c: Conn): Neighbour | undefined {
    return this.conns.find((nb) => nb.conn === c);
  }

  send(nb: Neighbour, message: Message): void {
    if (message.type !== "Block") this.uplink.spend(controlCost);
    this.out.send.push({ to: nb.conn, message });
  }

  /** Tells a neighbour of up to 8 others, if there are any. */
  sendHints(to: Neighbour): void {
    const hints = hintsFor(this, to, 8);
    if (hints.length > 0) this.send(to, { type: "Peers", hints });
  }

  /** Charges a neighbour for a long answer to a short question. */
  afford(now: Time, nb: Neighbour, size: number): boolean {
    if (!nb.guard.take(now, size / answerSize)) {
      this.drop(now, nb, reasons.flooding);
      return false;
    }
    this.uplink.spend(size);
    return true;
  }

  /** Ends a connection from this side. */
  drop(now: Time, nb: Neighbour, reason: Reason): void {
    if (nb.gone) return;
    this.send(nb, { type: "Bye", reason });
    this.out.drop.push({ conn: nb.conn, reason });
    this.figures.dropped[reason]!++;
    this.forget(now, nb);
  }

  /** One of the neighbours that fit, by chance. */
  pick(fits: (nb: Neighbour) => boolean): Neighbour | null {
    let found: Neighbour | null = null;
    let seen = 0;
    for (const nb of this.conns) if (fits(nb) && this.random.below(++seen) === 0) found = nb;
    return found;
  }

  /** What is known of a rendition. */
  known(r: string): Track | undefined {
    return this.tracks.find((t) => t.r === r);
  }

  /** What is known of a rendition, begun when it is new. */
  private track(r: string): Track {
    const known = this.known(r);
    if (known) return known;
    const t = new Track(r, this.tracks.length, this.feeds, this.keeps);
    t.tag = 1 + this.random.below(255);
    this.tracks.push(t);
    return t;
  }

  private room(h: OpenHead): Track | null {
    return this.known(h.entry.r) || this.tracks.length < maxTracks ? this.track(h.entry.r) : null;
  }

  /** Tells all that is here to those who were not told, while nothing was given. */
  private announce(): void {
    const haves = this.tracks.flatMap(runs);
    for (const nb of this.conns) {
      if (nb.hello && nb.role !== "seed") for (const have of haves) this.send(nb, have);
    }
  }

  private ping(now: Time, nb: Neighbour): void {
    nb.pingedAt = now;
    nb.token = this.random.next();
    this.send(nb, { type: "Ping", token: nb.token });
  }

  /** Lets go of a neighbour and of what it was to do. */
  private forget(now: Time, nb: Neighbour): void {
    this.conns = this.conns.filter((o) => o !== nb);
    nb.gone = true;
    for (const i of nb.tracks.keys()) give(nb, this.tracks[i]!, 0);
    for (const t of this.tracks) {
      for (const [l, ln] of t.lanes.entries()) {
        if (ln.parent === nb) orphan(now, t, l);
        if (ln.next === nb) ln.next = null;
      }
      for (const p of t.open) release(t, p, nb, now);
    }
    this.maintainAt = now;
  }

  /** Keeps lanes with parents, connections alive and others informed. */
  private maintain(now: Time): void {
    for (const nb of this.conns) {
      if (now - nb.heardAt > silence || (!nb.hello && now - nb.since > div(silence, 3))) this.drop(now, nb, reasons.silent);
      else if (now - nb.pingedAt > this.t.PingEvery) this.ping(now, nb);
    }
    this.maintainAt = now + div(this.t.State, 2) + this.random.spread(this.t.State);
    const improve = this.improveAt <= now;
    if (improve) this.improveAt = now + div(this.t.Improve, 2) + this.random.spread(this.t.Improve);
    for (const t of this.tracks) {
      if (t.wanted) adopt(this, now, t, improve);
      if (t.wanted && improve) lift(this, t);
      if (t.source && improve) thin(this, now, t);
    }
    if (improve) prune(this, now);
    if (improve) forgetLeft(this, now);
    tellStates(this, now);
    pump(this, now);
  }
}
