// Connections that are being made: how many at a time, and which of two goes on when both sides began one (swarm/bt/signal.go).
import type { PeerId } from "../swarm/messages.ts";
import type { Binary } from "../tracker/messages.ts";
import type { Connection } from "./connection.ts";

/** A connection, being made or open, and who is known to be at its other end. */
export interface Link {
  /** Of the attempt, 32 hexadecimal digits; both sides know it. */
  id: string;
  connection: Connection;
  /** As signals name it. */
  peer: PeerId | null;
  /** As trackers name it. */
  bt: Binary | null;
  /** This side made the offer. */
  outward: boolean;
  /** This side wanted it, whoever's offer goes on. */
  wanted: boolean;
}

/** How many are being made at a time, offers that lie with trackers apart, and of them with one peer. A browser's connections are costly. */
const maxAttempts = 16;
const maxWithPeer = 2;
export const attemptMs = 10_000;

export class Attempts {
  private readonly all = new Map<string, { link: Link; timer: ReturnType<typeof setTimeout> }>();

  constructor(private readonly late: (l: Link) => void) {}

  get size(): number {
    return this.all.size;
  }

  /** Reports whether another one may begin, with that peer if it is known. */
  room(id: string, peer: PeerId | null, bt: Binary | null): boolean {
    if (this.all.size >= maxAttempts || this.all.has(id)) return false;
    return this.links().filter((l) => (peer !== null && l.peer === peer) || (bt !== null && l.bt === bt)).length < maxWithPeer;
  }

  /** Begins one; it is given up when it takes too long. */
  add(link: Link): void {
    this.all.set(link.id, { link, timer: setTimeout(() => this.late(link), attemptMs) });
  }

  get(id: string): Link | undefined {
    return this.all.get(id)?.link;
  }

  has(l: Link): boolean {
    return this.get(l.id) === l;
  }

  /** Takes one out, which it reports to have done. */
  remove(l: Link): boolean {
    if (!this.has(l)) return false;
    clearTimeout(this.all.get(l.id)!.timer);
    return this.all.delete(l.id);
  }

  links(): Link[] {
    return [...this.all.values()].map((a) => a.link);
  }

  /** What this side offered to a peer, if anything. */
  outwardTo(peer: PeerId): Link | undefined {
    return this.links().find((l) => l.outward && l.peer === peer);
  }
}
