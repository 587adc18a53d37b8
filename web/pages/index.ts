// The list of live streams, at /. It refreshes itself.
import { type Clock, askClock } from "../player/clock.ts";
import { getStreams, getTime, type Listed } from "../player/origin.ts";
import { finder, write } from "../player/ui/dom.ts";

const el = finder(document);
const base = new URL("./", location.href);
const everyMs = 3_000;
let clock: Clock | null = null;
let drawn = "";

write(el("rtmp"), `rtmp://${location.hostname}/live`);
write(el("ffmpeg"), `ffmpeg -re -i film.mp4 -c:v libx264 -preset veryfast -tune zerolatency -g 30 -c:a aac -f flv "rtmp://${location.hostname}/live/NAME?key=KEY"`);
void refresh();

async function refresh(): Promise<void> {
  try {
    clock ??= await askClock(() => getTime(base));
    draw(await getStreams(base), clock.now());
  } catch {
    write(el("summary"), "This server does not answer. Trying again.");
  }
  setTimeout(() => void refresh(), everyMs);
}

function draw(streams: Listed[], now: number): void {
  const live = streams.filter((s) => s.live).length;
  write(el("summary"), live === 0 ? "No stream is live at the moment." : live === 1 ? "One stream is live." : `${live} streams are live.`);
  el("empty").hidden = live > 0;
  const rows = [...streams].sort((a, b) => Number(b.live) - Number(a.live) || (a.name < b.name ? -1 : 1));
  const want = JSON.stringify(rows.map((s) => [s.name, s.live, s.width, s.height, s.live && ago(now - s.since)]));
  if (want === drawn) return; // a link that is drawn anew loses the focus
  drawn = want;
  const focused = document.activeElement?.getAttribute("href");
  el("streams").replaceChildren(...rows.map((s) => row(s, now)));
  for (const a of el("streams").querySelectorAll("a")) if (a.getAttribute("href") === focused) a.focus();
}

/**
 * The link has no stream id: it would be this server's word for who the creator is,
 * and a page that says "verified" means the creator's own word.
 */
function row(s: Listed, now: number): HTMLLIElement {
  const li = document.createElement("li");
  const a = document.createElement("a");
  a.href = `live/${s.name}`;
  a.className = s.live ? "on" : "off";
  a.append(span("called", s.name), span("state", s.live ? "live" : "offline", true), span("more", more(s, now)));
  li.append(a);
  return li;
}

function more(s: Listed, now: number): string {
  const parts: string[] = [];
  if (s.live && s.since > 0) parts.push(`for ${ago(now - s.since)}`);
  if (s.width > 0) parts.push(`${s.width} × ${s.height}`);
  return parts.join(" · ");
}

function span(className: string, text: string, dotted = false): HTMLSpanElement {
  const e = document.createElement("span");
  e.className = className;
  if (dotted) {
    const dot = document.createElement("span");
    dot.className = "dot";
    dot.setAttribute("aria-hidden", "true");
    e.append(dot);
  }
  e.append(text);
  return e;
}

function ago(ms: number): string {
  const min = Math.floor(ms / 60_000);
  if (min < 1) return "less than a minute";
  if (min < 60) return min === 1 ? "a minute" : `${min} minutes`;
  const h = Math.floor(min / 60);
  return h === 1 ? "an hour" : `${h} hours`;
}
