// Tabs in the swarm of a real stream, each in a browser profile of its own, and what is asked of them.
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import type { Counts, View } from "../../player/view.ts";
import { launch, launchServer, open, playing, until } from "./browser.ts";
import { watched } from "./watching.ts";

/** Flags of a shoal that takes part in swarms, on loopback alone. */
export const swarmFlags = ["--torrent=127.0.0.1:0", "--webrtc=127.0.0.1:0", "--tracker-udp=", "--stun=", "--consent=share"];

const flags = ["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"];

/** A browser whose pages reach each other on loopback, by their addresses. */
export function launchSwarming(): Promise<Browser> {
  return launch(flags, { ignoreDefaultArgs: ["--disable-back-forward-cache"] });
}

/** Such a browser on a machine of its own, which can be sent to sleep: all that it consists of stands still. */
export async function sleepyBrowser(): Promise<{ browser: Browser; sleep(ms: number): Promise<void>; close(): Promise<void> }> {
  const server = await launchServer(flags);
  const browser = await chromium.connect(server.wsEndpoint());
  const all = (signal: NodeJS.Signals) => process.kill(-server.process().pid!, signal);
  return {
    browser,
    sleep: async (ms) => {
      all("SIGSTOP");
      await new Promise((r) => setTimeout(r, ms)).finally(() => all("SIGCONT"));
    },
    close: () => server.close(),
  };
}

/** Has a tab keep count of the forged bytes that reach its decoder: those of a hostile page are all 0xee. */
export async function watchAppends(c: BrowserContext): Promise<(page: Page) => Promise<{ appends: number; forged: number }>> {
  await c.addInitScript(() => {
    const append = SourceBuffer.prototype.appendBuffer;
    const seen = { appends: 0, forged: 0 };
    Object.assign(window, { seen });
    SourceBuffer.prototype.appendBuffer = function (data) {
      const b = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
      seen.appends++;
      let run = 0;
      for (let i = 0; i < b.length && run < 32; i++) run = b[i] === 0xee ? run + 1 : 0;
      if (run === 32) seen.forged++;
      append.call(this, data);
    };
  });
  return (page) => page.evaluate(() => (window as unknown as { seen: { appends: number; forged: number } }).seen);
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

/** Waits until the tab plays, and most of what it played in the last two seconds came from the swarm. */
export async function swarming(page: Page, ms = 30_000): Promise<View> {
  await playing(page);
  return until(page, "fed by the swarm", ({ state, swarm }) => {
    const last = swarm.minute.slice(-3, -1); // whole seconds
    const sum = (of: (c: Counts) => number) => last.reduce((n, s) => n + of(s), 0);
    return state === "playing" && swarm.state === "on" && sum(fromSwarm) > sum((c) => c.origin);
  }, ms);
}

/** Watches for so many seconds; the picture may stand still for no longer than `mostMs`. */
export async function playsOn(page: Page, seconds: number, mostMs: number): Promise<void> {
  const w = await watched(page, seconds);
  expect(w.longestHoldMs).toBeLessThan(mostMs);
}
