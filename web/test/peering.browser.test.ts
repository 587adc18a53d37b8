import { resolve } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Setup } from "./rtc/page.ts";
import { launch } from "./support/browser.ts";
import { serveScript } from "./support/bundle.ts";
import { TestTracker } from "./support/tracker.ts";

let site: Awaited<ReturnType<typeof serveScript>>;
let tracker: TestTracker;
let context: BrowserContext;

beforeAll(async () => {
  site = await serveScript(resolve(import.meta.dirname, "rtc/page.ts"));
});
afterAll(() => site.stop());
beforeEach(async () => {
  tracker = await TestTracker.start();
});
afterEach(async () => {
  await context.close();
  await tracker.stop();
});

const id = (digit: string) => digit.repeat(32);

async function open(setup: Setup): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (e) => expect.soft(String(e)).toBe("no error"));
  await page.goto(site.url);
  await page.waitForFunction(() => "Page" in window);
  await page.evaluate((s) => (window.page = window.Page.start(s)), setup);
  return page;
}

interface Said {
  to: string;
  type: string;
  id: string;
}

/** Pages whose signals find each other as if through the swarm; `heard` is told of each that has arrived. */
async function signalled(heard: ((s: Said) => void) | null, ...digits: string[]): Promise<{ pages: Page[]; said: Said[] }> {
  const said: Said[] = [];
  const pages: Page[] = [];
  for (const d of digits) {
    const page = await open({ id: id(d) });
    await page.exposeFunction("relay", async (to: string, body: string) => {
      const s: Said = { ...(JSON.parse(body) as Said), to };
      said.push(s);
      await pages[digits.indexOf(to[0]!)]!.evaluate(([from, body]) => window.page.signal(from!, body!), [id(d), body]);
      heard?.(s);
    });
    pages.push(page);
  }
  return { pages, said };
}

const isOpen = (page: Page) => page.waitForFunction(() => window.page.first?.open, undefined, { polling: 10, timeout: 10_000 });

/** Sends frames both ways and waits for the last. */
async function exchange(a: Page, b: Page, frames: number): Promise<void> {
  const goals = await Promise.all([a, b].map((p) => p.evaluate(() => window.page.first!.got)));
  await Promise.all([a, b].map((p) => p.evaluate((n) => window.page.send(n), frames)));
  await Promise.all([a, b].map((p, i) => p.waitForFunction((n) => window.page.first!.got === n, goals[i]! + frames, { polling: 20, timeout: 20_000 })));
  for (const p of [a, b]) expect(await p.evaluate(() => window.page.first!.wrong)).toBe(0);
}

const loopback = "--allow-loopback-in-peer-connection";

/** One browser for a group of tests, a fresh profile for each. */
function inBrowser(...args: string[]): void {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch([loopback, ...args]);
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    context = await browser.newContext();
  });
}

describe.each([
  ["that hides addresses behind mDNS names, as it does by default", [], 2],
  ["that tells its addresses", ["--disable-features=WebRtcHideLocalIpsWithMdns"], 20],
])("in a browser %s", (_, args, megabytes) => {
  inBrowser(...args);

  test(`two pages meet through a tracker, pass ${megabytes} MB to each other, and notice when one is closed`, async () => {
    const a = await open({ id: id("a"), trackers: [tracker.url] });
    await expect.poll(() => tracker.heard.length).toBe(1);
    const b = await open({ id: id("b"), trackers: [tracker.url] });
    await Promise.all([a, b].map(isOpen));
    expect(await a.evaluate(() => [window.page.first!.initiator, window.page.opened])).toEqual([false, 1]);
    await exchange(a, b, Math.ceil((megabytes * 1e6) / 16_400));
    const stats = () => a.evaluate(() => window.page.peering.stats());
    await expect.poll(async () => (await stats())[0]!.bytesIn, { timeout: 5_000 }).toBeGreaterThan(megabytes * 1e6); // browsers look but now and then
    expect(await stats()).toEqual([expect.objectContaining({ state: "connected", local: expect.stringMatching(/host|prflx/), remote: expect.stringMatching(/host|prflx/) })]);
    expect((await stats())[0]!.rttMs).toBeGreaterThanOrEqual(0);
    const closed = Date.now();
    await b.close();
    await a.waitForFunction(() => window.page.closed.length === 1, undefined, { polling: 10, timeout: 5_000 });
    expect(await a.evaluate((at) => window.page.closed[0]!.at - at, closed)).toBeLessThan(1_000);
    expect(await a.evaluate(() => window.page.troubles.filter((t) => !t.endsWith(": ")))).toEqual([]);
  });

  test("two pages that call each other through the swarm at once get one connection", async () => {
    const { pages } = await signalled(null, "a", "b");
    await Promise.all(pages.map((p, i) => p.evaluate((to) => window.page.peering.dial(to), id("ba"[i]!))));
    await Promise.all(pages.map(isOpen));
    await exchange(pages[0]!, pages[1]!, 10);
    expect(await Promise.all(pages.map((p) => p.evaluate(() => window.page.opened)))).toEqual([1, 1]);
  });

  /** Two pages with a connection that a began and both know the other side of. */
  async function connected(heard: ((s: Said) => void) | null): Promise<{ a: Page; b: Page; said: Said[] }> {
    const { pages, said } = await signalled(heard, "a", "b");
    const [a, b] = pages as [Page, Page];
    await a.evaluate((to) => window.page.peering.dial(to), id("b"));
    await Promise.all(pages.map(isOpen));
    await exchange(a, b, 10);
    await b.evaluate((peer) => window.page.peering.identify([...window.page.conns.keys()][0]!, peer), id("a"));
    said.length = 0;
    return { a, b, said };
  }
  const networkChanged = (p: Page) => p.evaluate(() => window.page.peering.networkChanged());
  /** Nothing is offered, or being answered. */
  const quiet = (p: Page) =>
    p.waitForFunction(
      () => {
        const { mending } = window.page.peering as unknown as { mending: Record<"offered" | "accepting", { size: number }> };
        return mending.offered.size + mending.accepting.size === 0;
      },
      undefined,
      { polling: 10, timeout: 5_000 },
    );
  const answers = (said: Said[]) => said.filter((s) => s.type === "answer").length;

  /** One connection as ever, that carries frames and can be mended once more by either side. */
  async function isWell(a: Page, b: Page, said: Said[]): Promise<void> {
    for (const p of [a, b]) {
      said.length = 0;
      await networkChanged(p);
      await Promise.all([a, b].map(quiet));
      expect(answers(said)).toBe(1);
      await exchange(a, b, 10);
    }
    expect(new Set(said.map((s) => s.id)).size).toBe(1);
    expect(await Promise.all([a, b].map((p) => p.evaluate(() => [window.page.opened, window.page.closed.length])))).toEqual([[1, 0], [1, 0]]);
  }

  test("a connection outlives a change of network: it is mended by signals, from both sides at once too", async () => {
    const { a, b, said } = await connected(null);
    await isWell(a, b, said);
    said.length = 0;
    await Promise.all([a, b].map(networkChanged));
    await Promise.all([a, b].map(quiet));
    expect([1, 2]).toContain(answers(said)); // one goes on with its offer, or the other's came before it was told: then they are mended in turn
    await exchange(a, b, 10);
    await isWell(a, b, said);
  });

  test.each(["a", "b"])("a connection outlives that %s's network changes while it answers the other's mending", async (name) => {
    let heard = (_: Said) => {};
    const { a, b, said } = await connected((s) => heard(s));
    const [answering, other] = name === "a" ? [a, b] : [b, a];
    heard = () => {
      heard = () => {};
      void networkChanged(answering);
    };
    await networkChanged(other);
    await expect.poll(() => said.map((s) => [s.type, s.to === id(name)]), { timeout: 5_000 }).toEqual([["offer", true], ["answer", false], ["offer", false], ["answer", true]]);
    await Promise.all([a, b].map(quiet));
    await isWell(a, b, said);
  });
});

describe("a page alone", () => {
  inBrowser();

  test("an offer waits for addresses no longer than they take, where no server is to be asked", async () => {
    await open({ id: id("a"), trackers: [tracker.url] });
    await expect.poll(() => tracker.heard.length, { interval: 5 }).toBe(1);
    expect(tracker.heard[0]!.offers).toHaveLength(2);
    const page = context.pages()[0]!;
    const took = await page.evaluate(async () => {
      const began = performance.now();
      const p = window.page.peering as unknown as { offers: { clear(): void; take(n: number): Promise<unknown[]> } };
      p.offers.clear();
      await p.offers.take(1);
      return performance.now() - began;
    });
    expect(took).toBeLessThan(300); // 65 ms on an idle machine
  });

  test("a STUN server that does not answer delays an offer by no more than it is worth", async () => {
    const began = Date.now();
    await open({ id: id("a"), trackers: [tracker.url], iceServers: [{ urls: "stun:127.0.0.1:9" }] });
    await expect.poll(() => tracker.heard.length, { interval: 5, timeout: 5_000 }).toBe(1);
    expect(Date.now() - began).toBeLessThan(3_500);
  });

  test("relay only without a relay says so, and tells nobody anything", async () => {
    const a = await open({ id: id("a"), trackers: [tracker.url], relayOnly: true, iceServers: [{ urls: "stun:127.0.0.1:3478" }] });
    expect(await a.evaluate(() => window.page.troubles)).toEqual([expect.stringMatching(/^webrtc: .*relay/)]);
    expect(tracker.connections).toBe(0);
  });
});
