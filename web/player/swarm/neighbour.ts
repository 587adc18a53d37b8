import { order, type Position } from "../documents.ts";
import { type Conn, type Source, sources } from "./effects.ts";
import { Guard } from "./guard.ts";
import { Haves } from "./haves.ts";
import { allLanes, blockLanes, laneCount, type LaneMask } from "./masks.ts";
import { type Address, type Block, type Head, noDepth, type PeerId, type Pong, type Role } from "./messages.ts";
import { div, millisecond, second, type Time } from "./time.ts";
import type { Piece, Track } from "./window.ts";

/** What the transport knows of a connection. */
export interface Info {
  /** Where others could reach this peer; null: nowhere. */
  address: Address | null;
  /** This side dialled. */
  outbound: boolean;
}

/** A block that waits to be sent. */
export interface Queued {
  p: Piece;
  i: number;
  size: number; // bytes
  at: Time; // since when it waits for the uplink
  since: Time; // since when it waits
  want: boolean; // asked for by name
}

export const creditStart = 64 << 10;
export const silence = 30 * second;
/** The longest that anything waits for. */
const longestTrip = 3 * second;
/** Where no round trip was measured yet. */
const usualTrip = 100 * millisecond;

// What one neighbour may send ahead of the heads, and beyond what is of use.
const maxHeld = 1 << 20; // bytes of blocks
const maxHeldBlocks = 256;
export const maxWaste = 4 << 20;

/** The other end of one connection. */
export class Neighbour {
  id: PeerId = "";
  role: Role = "viewer";
  leaf = false;
  up = 0; // bit/s it states to give
  hello = false; // it introduced itself
  gone = false;
  draining = false;
  heardAt: Time;
  pingedAt: Time = 0;
  token = 0;
  rtt: Time = 0; // shortest recent round trip; 0: unknown
  readonly tracks: NeighbourTrack[] = [];
  readonly guard: Guard;

  received = 0; // bytes of blocks so far
  allowed = creditStart; // bytes of blocks it was granted
  private held: Block[] = [];
  private heldSize = 0;
  waiting: Head[] = []; // that need records first
  waste = 0; // bytes of blocks beyond those that were of use
  headless = 0; // runs of heads that it announced and did not give, in a row
  mute: Time = 0; // its announcements count for nothing until then
  late = 0; // times that blocks it was asked for did not come in time, in a row
  lateAt: Time = 0; // the newest of them
  missed = 0; // blocks that it pushes or was asked for, and that did not come when they were due
  blockAt: Time = 0; // when its newest good block came
  rest: Time = 0; // it is asked for nothing until then
  wants = 0; // blocks it is asked for

  sent = 0; // bytes of blocks so far
  limit = creditStart; // bytes of blocks it granted
  queue: Queued[] = [];
  busy = false; // it is on the node's list of those with a queue

  constructor(
    readonly conn: Conn,
    readonly info: Info,
    readonly since: Time,
  ) {
    this.heardAt = since;
    this.guard = new Guard(since);
  }

  /** What is between this node and the neighbour in a rendition, begun when it is new. */
  track(t: Track): NeighbourTrack {
    while (this.tracks.length <= t.index) this.tracks.push(new NeighbourTrack());
    return this.tracks[t.index]!;
  }

  trip(): Time {
    return this.rtt === 0 ? usualTrip : Math.min(this.rtt, longestTrip);
  }

  source(): Source {
    return this.role === "seed" ? sources.seed : this.role === "edge" ? sources.edge : sources.peer;
  }

  /** Reports whether blocks flow by subscription, either way. */
  inUse(): boolean {
    return this.tracks.some((nt) => nt.gives !== 0 || nt.granted !== 0);
  }

  /** Reports whether the neighbour pushes lanes of blocks. */
  parent(): boolean {
    return this.tracks.some((nt) => (nt.granted & blockLanes) !== 0);
  }

  /** How many more lanes the neighbour says it would push. */
  spare(): number {
    return Math.max(0, ...this.tracks.map((nt) => nt.spare));
  }

  /** Counts the lanes that this node pushes to the neighbour. */
  lanesGiven(): number {
    return this.tracks.reduce((sum, nt) => sum + laneCount(nt.gives), 0);
  }

  pong(now: Time, p: Pong): void {
    if (p.token !== this.token || this.token === 0) return;
    this.token = 0;
    const trip = Math.max(now - this.pingedAt, 1000);
    if (this.rtt === 0 || trip < this.rtt) this.rtt = trip;
    else this.rtt += div(trip - this.rtt, 8);
  }

  /** Keeps a block whose head is not here yet, within what credit allows anyway. */
  hold(b: Block): void {
    this.held.push(b);
    this.heldSize += b.data.length;
    while (this.heldSize > maxHeld || this.held.length > maxHeldBlocks) this.heldSize -= this.held.shift()!.data.length;
  }

  /** The held blocks of a piece; those before it are dropped. */
  release(r: string, p: Position): Block[] {
    if (this.held.length === 0) return [];
    const out: Block[] = [];
    this.held = this.held.filter((b) => {
      if (b.r !== r) return true;
      const way = order(b, p);
      if (way === 0) out.push(b);
      // Of an older epoch only what is as near by its number is kept.
      return way > 0 || (way < 0 && p.n >= b.n && p.n - b.n <= 64);
    });
    this.heldSize = this.held.reduce((sum, b) => sum + b.data.length, 0);
    return out;
  }
}

/** What a neighbour and this node do for each other in one rendition. */
export class NeighbourTrack {
  readonly haves = new Haves();
  depth: readonly number[] = Array<number>(allLanes).fill(noDepth);
  branch: readonly number[] = Array<number>(allLanes).fill(0);
  spare = 0;
  least = 0;
  open: LaneMask = 0; // lanes of which it takes more children
  stated = false;
  granted: LaneMask = 0; // it pushes these to this node
  gives: LaneMask = 0; // this node pushes these to it
  changed: Time = 0; // when gives did
  lingers: LaneMask = 0; // lanes that another got, pushed until lingerTo all the same
  lingerTo: Time = 0;
  readonly refused: Time[] = Array<Time>(allLanes).fill(0);
  strikes = 0; // refusals in a row
  failures = 0; // times that it lost lanes by not pushing them
  failedAt: Time = 0; // the newest of them
}
