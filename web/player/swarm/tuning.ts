import { millisecond, second, type Time } from "./time.ts";

/**
 * What the protocol leaves to each peer's judgement (docs/spec/live-swarm.md 7). The names are those of the Go core
 * and of the traces; the simulator decides the defaults.
 */
export interface Tuning {
  /** Stripe lanes by piece instead of by block. */
  ByPiece: boolean;
  /** Connections that a viewer keeps up by itself, and takes at most. */
  Neighbours: number;
  MaxConns: number;
  /** Credit covers the rate for the round trip and this long, in at most so many bytes. */
  CreditAhead: Time;
  CreditMax: number;
  /** Share of the uplink budget that lanes leave to repairs. */
  Reserve: number;
  /** By which blocks for those with the best uplinks go before others'. */
  HeadStart: Time;
  /** Of the uplink budget that may go out at once. */
  Burst: Time;
  /** Pushes that waited longer are dropped. */
  QueueMax: Time;
  /** Share of a piece's time in which a viewer has sent all copies of a usual piece; a single block may take SlowBlock all the same. */
  Spread: number;
  SlowBlock: Time;
  /** Most time after a head in which a lane may deliver before the block is asked for; the same where a lane has just moved. */
  Patience: Time;
  Moved: Time;
  /** Blocks in a row that a lane's parent may miss. */
  Missed: number;
  /** Least time before a block is asked of another. */
  WantAgain: Time;
  /** Slack under which no push is waited for, seeds are asked too, and the origin is, with what the missing bytes take beside. */
  ToPeers: Time;
  ToSeeds: Time;
  ToOrigin: Time;
  /** What each hop to the source counts, in the choice of parents. */
  Hop: Time;
  /** A lane moves to a parent that would be so much sooner than the present one. */
  Gain: Time;
  /** How often that is looked at. */
  Improve: Time;
  /** A seed feeds one copy of each lane, and one more for every so many peers. */
  CopiesPer: number;
  /** How often children are told of depths and places at most; others are a third as often. */
  State: Time;
  PingEvery: Time;
}

/** What the simulator found best. */
export const defaultTuning: Tuning = {
  ByPiece: false,
  Neighbours: 16,
  MaxConns: 48,
  CreditAhead: 100 * millisecond,
  CreditMax: 1 << 20,
  Reserve: 0.2,
  HeadStart: 100 * millisecond,
  Burst: 20 * millisecond,
  QueueMax: 400 * millisecond,
  Spread: 1.1,
  SlowBlock: 300 * millisecond,
  Patience: 500 * millisecond,
  Moved: 400 * millisecond,
  Missed: 3,
  WantAgain: 150 * millisecond,
  ToPeers: 120 * millisecond,
  ToSeeds: 130 * millisecond,
  ToOrigin: 55 * millisecond,
  Hop: 120 * millisecond,
  Gain: 150 * millisecond,
  Improve: 500 * millisecond,
  CopiesPer: 30,
  State: 500 * millisecond,
  PingEvery: 5 * second,
};
