// A page of somebody's that has its own Shaka player. Everything that Shaka appends is noted.
import shaka from "shaka-player";
import { Player } from "../../../player/index.ts";
import { shakaRunner, type ShakaPlayer } from "../../../player/shaka.ts";
import type { Owned } from "./owned.ts";

const video = Object.assign(document.createElement("video"), { muted: true, autoplay: true });
document.body.append(video);
shaka.polyfill.installAll();
const own = new shaka.Player();
const heard: string[] = [];
for (const event of ["error", "loaded", "adaptation", "variantchanged"]) own.addEventListener(event, (e) => heard.push([event, (e as { detail?: { code?: number } }).detail?.code ?? ""].join(" ").trim()));

const player = new Player(video, { link: new URLSearchParams(location.search).get("link")!, runner: shakaRunner(shaka, own) });
player.start();

window.shakaOwned = { player, heard, video, shaka: own };

declare global {
  interface Window {
    shakaOwned: Owned<{ shaka: ShakaPlayer }>;
  }
}
