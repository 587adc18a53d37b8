// Everything that a page draws of one player, at one moment.
import type { Consent, Limit, Mode } from "./consent.ts";
import type { Counts, Second } from "./meter.ts";
import type { Moment } from "./moment.ts";
import type { Quality } from "./qualities.ts";

export type { Consent, Limit, Mode } from "./consent.ts";
export type { Quality } from "./qualities.ts";
export type { Counts, Deliverer, Second } from "./meter.ts";

/** One connection of the swarm. */
export interface PeerView {
  id: string; // stable as long as the connection stands
  role: "viewer" | "seed" | "edge";
  rttMs: number | null; // null until measured
  down: number; // bit/s from it, over the last seconds
  up: number; // bit/s to it
  relayed: boolean; // through TURN: neither side knows the other's address
  missed: number; // blocks that were due from it and did not come in time
}

export interface SwarmView {
  state: "off" | "joining" | "on" | "trouble";
  /** A plain sentence of what the trouble is, empty without. */
  detail: string;
  peers: PeerView[];
  /** Verified bytes, each piece once, by who delivered them. */
  bytes: Counts;
  /** Bytes given to others since the page began. */
  uploaded: number;
  /** bit/s given now. */
  up: number;
  /** Bytes of each of the last seconds, at most 60, oldest first. */
  minute: Second[];
}

/**
 * Whether it is told how this plays: as the viewer chose, or `forbidden` by a browser that asks for privacy; `none` where
 * the operator, or who embeds the player, wants nothing to be told.
 */
export type Telling = "none" | "on" | "off" | "forbidden";

export interface View extends Moment {
  mode: Mode; // in force now
  chosen: Mode | null; // by the viewer; null: not asked yet
  consent: Consent; // the operator's, lowered by who embeds the player
  sensitive: boolean;
  relay: boolean; // the operator has a relay
  limit: Limit; // why mode is less than chosen
  upCap: number; // bit/s that the viewer allows, 0: no cap
  ask: boolean; // the viewer should be asked
  most: Mode; // the most that can be chosen here
  swarm: SwarmView;
  telemetry: Telling;
  qualities: Quality[]; // the best first
  quality: string | null; // the name of the rendition that the viewer keeps to; null: whichever suits
}
