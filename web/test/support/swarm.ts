// Tabs in the swarm of a real stream, each in a browser profile of its own, and what is asked of them.
import type { Browser, BrowserContext, LaunchOptions, Page } from "playwright-core";
import { expect } from "vitest";
import type { Counts, View } from "../../player/view.ts";
import { launch, open, playing, until } from "./browser.ts";
import { watched } from "./watching.ts";

/** Flags of a shoal that takes part in swarms, on loopback alone. */
export const swarmFlags = ["--torrent=127.0.0.1:0", "--webrtc=127.0.0.1:0", "--tracker-udp=", "--stun=", "--consent=share"];

/** A browser whose pages reach each other on loopback, by their addresses. */
export function launchSwarming(o: LaunchOptions = {}): Promise<Browser> {
  return launch(["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"], o);
}

/** Of tabs: the less there is to draw, the more of them a machine bears. */
export const viewport = { width: 360, height: 480 };

/** Has a tab in a profile of its own; `before` prepares it. Fails on what its console complains of beyond `expected`. */
export async function inTab(browser: Browser, url: string, watch: (page: Page) => Promise<void>, o: { before?: (c: BrowserContext) => Promise<unknown>; expected?: RegExp } = {}): Promise<void> {
  const context = await browser.newContext({ viewport });
  try {
    await o.before?.(context);
    const { page, errors } = await open(context, url, o.expected);
    await watch(page);
    expect(errors).toEqual([]);
  } finally {
    await context.close();
  }
}

const fromSwarm = (b: Counts) => b.peer + b.seed + b.edge;

/** Waits until the tab plays and takes most of what it plays from the swarm: all of the last two seconds but a tenth. */
export async function swarming(page: Page, ms = 30_000): Promise<View> {
  await playing(page);
  return until(page, "fed by the swarm", ({ state, swarm }) => {
    const last = swarm.minute.slice(-3, -1); // whole seconds
    const taken = last.reduce((n, s) => n + fromSwarm(s), 0);
    return state === "playing" && swarm.state === "on" && last.every((s) => fromSwarm(s) > 0) && last.reduce((n, s) => n + s.origin, 0) < taken / 9;
  }, ms);
}

/** Watches for so many seconds; the picture may stand still for no longer than `mostMs`. */
export async function playsOn(page: Page, seconds: number, mostMs: number): Promise<void> {
  const w = await watched(page, seconds);
  expect(w.longestHoldMs).toBeLessThan(mostMs);
}
