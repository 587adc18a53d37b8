import type { Player } from "../../../player/player.ts";

/** What a page of somebody's shows tests of itself. */
export type Owned<More> = { player: Player; video: HTMLVideoElement; heard: string[] } & More;
