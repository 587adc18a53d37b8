// A page of somebody's that has its own hls.js, full build, with settings and listeners of its own.
import Hls from "hls.js";
import { Player } from "../../../player/index.ts";
import type { Owned } from "./owned.ts";

const video = Object.assign(document.createElement("video"), { muted: true, autoplay: true });
document.body.append(video);
const hls = new Hls({ liveSyncDurationCount: 4, maxBufferLength: 17 });
hls.attachMedia(video);
const heard: string[] = [];
for (const event of [Hls.Events.LEVEL_SWITCHED, Hls.Events.FRAG_BUFFERED, Hls.Events.MEDIA_DETACHED]) hls.on(event, () => heard.push(event));

// The three lines.
const player = new Player(video, { link: new URLSearchParams(location.search).get("link")!, hls });
player.start();

window.owned = { player, heard, video, hls };

declare global {
  interface Window {
    owned: Owned<{ hls: Hls }>;
  }
}
