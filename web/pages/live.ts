// The player page, /live/<name>#<stream id>: draws what Player says, twice a second
// and whenever something changes.
import { browserPins } from "../player/pins.ts";
import { Player, type Stats } from "../player/player.ts";
import { controls } from "./controls.ts";
import { el, facts, icon, write } from "./dom.ts";
import { notice } from "./notices.ts";

const address = /^(.*\/)live\/([^/]+)\/?$/.exec(location.pathname);
const name = decodeURIComponent(address?.[2] ?? "");
const base = new URL(address?.[1] ?? "/", location.href);
const video = el<HTMLVideoElement>("video");

let said = "";
let drawing = 0;
let player = newPlayer();
player.start();

function newPlayer(): Player {
  const id = location.hash.slice(1);
  const made = new Player(video, { base, name, wantedId: id === "" ? null : id, pins: browserPins() });
  made.addEventListener("change", drawSoon);
  return made;
}

write(el("name"), name);
document.title = `${name} · Shoal`;
const drawControls = controls(video, () => player);
el("retry").addEventListener("click", () => player.start());
el("trust").addEventListener("click", () => void player.trustNewKey());
addEventListener("hashchange", () => {
  player.stop();
  player = newPlayer();
  player.start();
});
addEventListener("pagehide", () => player.stop());
addEventListener("pageshow", (e) => e.persisted && player.start());

declare global {
  interface Window {
    /** For tests and benches. */
    shoal: { stats(): Stats };
  }
}
window.shoal = { stats: () => player.stats() };

setInterval(draw, 500);
draw();

/** Draws a card at once, and else once for all that changes before the next frame: starting must not wait for it. */
function drawSoon(): void {
  cancelAnimationFrame(drawing);
  const { state } = player.stats();
  if (state !== "loading" && state !== "starting" && state !== "playing") return draw();
  drawing = requestAnimationFrame(draw);
}

function draw(): void {
  const s = player.stats();
  drawOverlay(s);
  drawProof(s);
  drawControls(s);
  write(el("quality"), quality(s));
  const n = notice(s.state, name, player.verdict(), player.faultFound);
  say(n ? n.title : s.state === "playing" ? `Playing live, ${s.provenance}` : "Paused");
}

function drawOverlay(s: Stats): void {
  const n = notice(s.state, name, player.verdict(), player.faultFound);
  const overlay = el("overlay");
  overlay.hidden = n === null || (s.state === "starting" && s.firstFrameMs !== null && !video.paused && video.readyState > 2);
  if (!n) return;
  overlay.dataset["kind"] = n.kind;
  write(el("notice-title"), n.title);
  write(el("notice-text"), n.text);
  write(el("notice-advice"), n.advice);
  el("notice-facts").hidden = n.facts.length === 0;
  facts(el("notice-facts"), n.facts);
  el("retry").hidden = !n.retry;
  el("trust").hidden = !n.trust;
}

function drawProof(s: Stats): void {
  const v = player.verdict();
  el("proof").dataset["state"] = v.state;
  icon(el("proof"), v.state);
  write(el("badge"), v.state);
  write(el("means"), v.means);
  write(el("advice"), v.advice);
  el("advice").hidden = v.advice === "";
  el("facts").hidden = s.key === null;
  write(el("key"), s.key ?? "–");
  write(el("stream"), s.streamId ?? "–");
  write(el("pieces"), pieces(s));
}

function pieces(s: Stats): string {
  if (s.piecesVerified + s.piecesRejected === 0) return "none checked yet";
  return `${thousands(s.piecesVerified)} verified, ${s.piecesRejected === 0 ? "none" : thousands(s.piecesRejected)} rejected`;
}

/** As toLocaleString("en") writes it, which takes 20 ms to get ready. */
function thousands(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

function quality(s: Stats): string {
  const parts: string[] = [];
  if (s.width > 0) parts.push(`${s.width} × ${s.height}`);
  if (s.bitrate > 0) parts.push(s.bitrate >= 1e6 ? `${(s.bitrate / 1e6).toFixed(1)} Mbit/s` : `${Math.round(s.bitrate / 1e3)} kbit/s`);
  return parts.join(" · ");
}

/** Tells people who do not see the page what changed, once. */
function say(what: string): void {
  if (what === said) return;
  said = what;
  write(el("say"), what);
}
