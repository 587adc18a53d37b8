// @shoal/player: what the npm package offers.
export { addressOf, type Address } from "./address.ts";
export { browserChoices, type Choices } from "./choices.ts";
export { allowed, type Allowed, type Choice, type Consent, type Limit, type Mode, type Policy, type Surroundings } from "./consent.ts";
export { define, ShoalPlayer } from "./element.ts";
export { browserPins, type Pin, type Pins } from "./pins.ts";
export { useHls } from "./hls.ts";
export type { LinkOptions, PlayerOptions } from "./options.ts";
export { Player, type Moment, type State } from "./player.ts";
export type { Stats } from "./stats.ts";
export type { Quality } from "./qualities.ts";
export type { Provenance, Verdict } from "./provenance.ts";
export type { PeerView, SwarmView, View } from "./view.ts";
