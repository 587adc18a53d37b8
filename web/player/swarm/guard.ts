// What bounds a neighbour's messages and this node's uplink (docs/spec/live-swarm.md 6.4 and 7.3.1).
import { blockSize } from "../merkle.ts";
import { everyLane } from "./masks.ts";
import { maxBlocks, maxFrame, maxHeads, maxHints, maxInit, maxNumber, maxRun, maxSignal, type Message, possibleKey } from "./messages.ts";
import { millisecond, never, second, seconds, type Time } from "./time.ts";

const guardBurst = 800; // cost at once
const guardRate = 250; // and a second

/** Cost of a genuine head that is too old to be of use. */
export const staleCost = 8;
/** Cost of a record that cannot be judged. */
export const lieCost = 100;
/** Cost of a peer to dial, of an allowance that all neighbours share. */
export const dialCost = 25;
/** Bytes that answers may have for a cost of 1. */
export const answerSize = 4096;

/** The allowance of messages that one neighbour has. Blocks have credit instead. */
export class Guard {
  private left = guardBurst;

  constructor(private at: Time) {}

  take(now: Time, cost: number): boolean {
    this.left = Math.min(guardBurst, this.left + guardRate * seconds(now - this.at));
    this.at = now;
    if (this.left < cost) return false;
    this.left -= cost;
    return true;
  }
}

/**
 * Reports whether a message keeps the bounds that its sender must keep. A codec that decodes it has looked at most
 * of them; a node does not depend on that.
 */
export function possible(m: Message): boolean {
  switch (m.type) {
    case "Block":
      return possibleKey(m) && m.index >= 0 && m.index < maxBlocks && m.data.length > 0 && m.data.length <= blockSize;
    case "Have":
      return possibleKey(m) && m.count > 0 && m.count <= maxRun && m.n <= maxNumber - (m.count - 1);
    case "Want":
    case "Cancel":
    case "Deny":
      return possibleKey(m);
    case "GetHeads":
      return possibleKey(m) && m.count > 0 && m.count <= maxHeads;
    case "Subscribe":
    case "Grant":
      return m.lanes >= 0 && m.lanes <= everyLane;
    case "Peers":
      return m.hints.length <= maxHints;
    case "Init":
      return m.total >= 0 && m.total <= maxInit && m.offset >= 0 && m.data.length <= maxFrame;
    case "Signal":
      return m.body.length <= maxSignal;
  }
  return true;
}

/** What handling a message costs, in units of a small one. */
export function cost(m: Message): number {
  switch (m.type) {
    case "Block":
    case "Credit":
      return 0.1;
    case "Have":
    case "Pong":
      return 0.5;
    case "Head":
      return 2;
    case "GetHeads":
      return 1 + m.count / 4;
    case "Want":
      return 1 + m.blocks.size / 16;
    case "GetRecords":
    case "GetInit":
    case "Subscribe":
      return 4;
    case "Records":
      return 2 * m.envelopes.length;
    case "Peers":
    case "Signal":
      return 8;
  }
  return 1;
}

/** Holds the blocks that go out to the uplink budget. */
export class Pacer {
  rate = 0; // bytes a second
  tokens = 0;
  /** When a refused block may be tried again. */
  readyAt: Time = never;
  /** No bound. */
  free = false;
  private at: Time = 0;

  set(bitsPerSecond: number): void {
    this.free = bitsPerSecond === Number.POSITIVE_INFINITY;
    this.rate = bitsPerSecond / 8;
    this.readyAt = never;
  }

  /** Reports whether size bytes may go now. A block may overdraw, so that a budget smaller than a block still gives. */
  take(now: Time, size: number, burst: Time): boolean {
    this.readyAt = never;
    if (this.free) return true;
    if (this.rate <= 0) return false;
    this.tokens = Math.min(this.rate * seconds(burst), this.tokens + this.rate * seconds(now - this.at));
    this.at = now;
    if (this.tokens < 0) {
      this.readyAt = now + Math.trunc((-this.tokens / this.rate) * second) + millisecond;
      return false;
    }
    this.tokens -= size;
    return true;
  }

  /** Counts what went out without being asked for. */
  spend(size: number): void {
    this.tokens -= size;
  }
}
