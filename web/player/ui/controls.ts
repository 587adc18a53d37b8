// Play, sound, volume, quality, full screen: by button and by key.
import type { Player } from "../player.ts";
import type { View } from "../view.ts";
import { finder, icon, type Root, set, write } from "./dom.ts";
import { qualityChoice } from "./quality-choice.ts";

const idleMs = 3_000;

/**
 * Wires the controls of a root up and returns what redraws them. Keys are heard at `keys`:
 * the document where the player is the page, the player alone where it is a part of one.
 * All ends with `signal`.
 */
export function controls(root: Root, keys: EventTarget, signal: AbortSignal, player: () => Player): (v: View) => void {
  const el = finder(root);
  const video = el<HTMLVideoElement>("video");
  const stage = el("stage");
  const volume = el<HTMLInputElement>("volume");

  const togglePlay = () => {
    if (!video.paused) return video.pause();
    player().toLive();
    void video.play().catch(() => undefined);
  };
  const setMuted = (muted: boolean) => {
    video.muted = muted;
    if (!muted && video.volume === 0) video.volume = 0.5;
  };
  const setVolume = (v: number) => {
    video.volume = Math.min(1, Math.max(0, v));
    video.muted = video.volume === 0;
  };
  const toggleFull = () => {
    if (root.fullscreenElement) void document.exitFullscreen();
    else void stage.requestFullscreen?.().catch(() => undefined);
  };

  el("play").addEventListener("click", togglePlay);
  el("mute").addEventListener("click", () => setMuted(!video.muted));
  el("unmute").addEventListener("click", () => {
    setMuted(false);
    el("mute").focus();
  });
  el("tolive").addEventListener("click", () => {
    player().toLive();
    void video.play().catch(() => undefined);
  });
  el("full").addEventListener("click", toggleFull);
  el("full").hidden = !document.fullscreenEnabled;
  volume.addEventListener("input", () => setVolume(volume.valueAsNumber / 100));

  const onKey = (e: KeyboardEvent) => {
    const on = e.target instanceof Element ? e.target : document.body;
    if (e.ctrlKey || e.metaKey || e.altKey || on.closest("input, select")) return;
    if (e.key === " " && on.closest("button, summary, a")) return; // their own key
    const act = {
      " ": togglePlay,
      k: togglePlay,
      m: () => setMuted(!video.muted),
      f: toggleFull,
      ArrowUp: () => setVolume((video.muted ? 0 : video.volume) + 0.1),
      ArrowDown: () => setVolume((video.muted ? 0 : video.volume) - 0.1),
    }[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (!act || video.readyState === 0) return;
    e.preventDefault();
    act();
  };
  keys.addEventListener("keydown", (e) => onKey(e as KeyboardEvent), { signal });

  let idle = 0;
  const wake = () => {
    stage.classList.remove("idle");
    clearTimeout(idle);
    idle = window.setTimeout(() => stage.classList.add("idle"), idleMs);
  };
  for (const name of ["pointermove", "pointerdown", "keydown", "focusin"]) stage.addEventListener(name, wake);
  document.addEventListener("fullscreenchange", wake, { signal });

  const drawQuality = qualityChoice(el<HTMLSelectElement>("rendition"), (r) => (player().quality = r));
  const draw = (s: View) => {
    drawQuality(s);
    const can = s.state === "playing" || s.state === "paused";
    label(el("play"), video.paused ? "Play" : "Pause", video.paused ? "play" : "pause");
    label(el("mute"), video.muted ? "Turn sound on" : "Turn sound off", video.muted ? "muted" : "loud");
    label(el("full"), root.fullscreenElement ? "Leave full screen" : "Full screen", root.fullscreenElement ? "small" : "full");
    for (const id of ["play", "tolive"]) el<HTMLButtonElement>(id).disabled = !can;
    el("unmute").hidden = !(s.state === "playing" && video.muted && video.volume === 1);
    const shown = String(Math.round(video.muted ? 0 : video.volume * 100));
    if (volume.value !== shown) volume.value = shown;
    const told = can && s.delayMs !== null && !video.paused;
    write(el("delay"), told ? `${Math.max(0, s.delayMs! / 1000).toFixed(1)} s` : "");
    el("behind").hidden = !told;
  };
  for (const name of ["volumechange", "play", "pause"]) video.addEventListener(name, () => draw(player().view()), { signal });
  document.addEventListener("fullscreenchange", () => draw(player().view()), { signal });
  return draw;
}

function label(button: HTMLElement, text: string, symbol: string): void {
  set(button, "aria-label", text);
  icon(button, symbol);
}
