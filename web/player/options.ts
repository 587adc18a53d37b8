// What a player is told when it is made.
import { type Address, addressOf } from "./address.ts";
import { browserChoices, type Choices } from "./choices.ts";
import type { Consent } from "./consent.ts";
import { browserPins, type Pins } from "./pins.ts";
import type { Runner } from "./runs.ts";
import type Hls from "hls.js";

export interface PlayerOptions {
  base: URL;
  name: string;
  /** The stream id that the link names, if it does. */
  wantedId: string | null;
  pins: Pins;
  /** What the viewer chose about sharing, and where a new choice is kept. */
  choices: Choices;
  /** What an embedding page allows its visitors; it only lowers what the operator allows. */
  embedder?: Consent;
  /** False: nothing is told to the operator of how it plays. */
  telemetry?: boolean;
  /** The most media to hold in memory, in bytes; less than the usual on small machines. */
  maxBuffer?: number;
  /** An hls.js of the page's own to play with, full or light: it is set up for live, and back as it was when playing ends. */
  hls?: Hls;
  /** Another library to play with. */
  runner?: Runner;
}

/** A stream by the link to its page; all else is optional, and what a viewer chooses or trusts is kept by the browser. */
export type LinkOptions = { link: string } & Partial<Omit<PlayerOptions, "base" | "name" | "wantedId">>;

/** Reads the link. Throws a TypeError where it is not one of a stream's page. */
export function optionsOf({ link, ...rest }: LinkOptions): PlayerOptions {
  const url = URL.canParse(link, document.baseURI) ? new URL(link, document.baseURI).href : "";
  const address = addressOf(url);
  if (!address) throw new TypeError(`${link} is no link to a stream's page, which is …/live/<name>#<stream id>`);
  return { ...optionsFor(address), ...rest };
}

/** The options of a stream at an address, with what this browser keeps. */
export function optionsFor({ base, name, id }: Address): PlayerOptions {
  return { base, name, wantedId: id, pins: browserPins(), choices: browserChoices(base.origin) };
}
