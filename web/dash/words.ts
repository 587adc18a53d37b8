// Figures in words: plain, and no more precise than what people can use.
import { bytes, rate, thousands } from "../player/ui/words.ts";

export { bytes, rate };

export type Unit = "count" | "ms" | "share" | "rate" | "bytes" | "perHour" | "perMinute" | "money";

const none = "–";
/** Between a figure and its unit, which stay on one line. */
const gap = "\u00a0";

export function say(unit: Unit, n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return none;
  switch (unit) {
    case "count":
      return few(n);
    case "ms":
      return milliseconds(n);
    case "share":
      return share(n);
    case "rate":
      return rate(n);
    case "bytes":
      return bytes(n);
    case "perHour":
      return `${few(n)} an hour`;
    case "perMinute":
      return `${few(n)} a minute`;
    case "money":
      return n > 0 && n < 0.01 ? "less than 0.01" : n < 1_000 ? n.toFixed(2) : thousands(Math.round(n));
  }
}

function few(n: number): string {
  return n < 10 && !Number.isInteger(n) ? n.toFixed(1) : thousands(Math.round(n));
}

/** What a mark on an axis says: what its figures are of stands beside it. */
export function mark(unit: Unit, n: number): string {
  return say(unit === "perHour" || unit === "perMinute" ? "count" : unit, n);
}

export function milliseconds(n: number): string {
  if (n < 1_000) return `${Math.round(n)}${gap}ms`;
  return duration(n / 1_000);
}

/** Seconds in words. */
export function duration(s: number): string {
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)}${gap}s`;
  if (s < 3_600) return `${Math.floor(s / 60)}${gap}min${s < 600 && s % 60 >= 1 ? `${gap}${Math.floor(s % 60)}${gap}s` : ""}`;
  const minutes = Math.floor((s % 3_600) / 60);
  return `${thousands(Math.floor(s / 3_600))}${gap}h${minutes > 0 && s < 36_000 ? `${gap}${minutes}${gap}min` : ""}`;
}

/** A part of a whole. What is there at all is never said to be 0. */
export function share(n: number): string {
  const percent = 100 * n;
  if (percent === 0) return `0${gap}%`;
  if (percent < 0.01) return `<${gap}0.01${gap}%`;
  if (percent < 1) return `${percent.toFixed(2)}${gap}%`;
  if (percent < 10) return `${percent.toFixed(1)}${gap}%`;
  return percent > 99 && percent < 100 ? `${percent.toFixed(1)}${gap}%` : `${Math.round(percent)}${gap}%`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** The time of day where one is, of Unix seconds. */
export function clock(s: number): string {
  const d = new Date(s * 1_000);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function day(s: number): string {
  const d = new Date(s * 1_000);
  return `${d.getDate()} ${months[d.getMonth()]}`;
}

export function moment(s: number): string {
  return `${day(s)}, ${clock(s)}`;
}

/** What a mark on a time axis says, when marks are so many seconds apart. */
export function tick(s: number, apart: number): string {
  if (apart >= 86_400) return day(s);
  const time = clock(s);
  const short = apart < 60 ? time : time.slice(0, 5);
  return apart >= 6 * 3_600 && short === "00:00" ? day(s) : short;
}

/** What states are called, as a part of a sentence. */
export const states: Record<string, string> = {
  starting: "starting",
  playing: "playing",
  seeking: "seeking",
  stalled: "stalled",
  paused: "paused",
  waiting: "waiting for the stream",
  ended: "ended",
  failed: "failed",
  quit: "left",
  preparing: "getting ready",
};

/** A viewer's choice, as the player's page calls it. */
export const choices: Record<string, string> = { share: "Share", download: "Only take", edge: "Servers only" };

/** An id, short enough to be read out. */
export function short(id: string): string {
  return id.length > 10 ? `${id.slice(0, 8)}…` : id;
}
