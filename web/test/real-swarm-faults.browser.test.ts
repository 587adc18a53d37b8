// What goes wrong around a tab in a swarm: it plays on, or says what is wrong. All of it real: the binary, ffmpeg,
// Chromium, WebRTC.
import { resolve } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { playing, stats, until } from "./support/browser.ts";
import { Shoal, type Stream } from "./support/shoal.ts";
import { inTab, launchSwarming, playsOn, swarmFlags, swarming, viewport } from "./support/swarm.ts";
import { watched } from "./support/watching.ts";

let browser: Browser;
let shoal: Shoal;
let stream: Stream;
let neighbour: Page;

beforeAll(async () => {
  [browser, shoal] = await Promise.all([launchSwarming(), Shoal.start(swarmFlags)]);
  stream = await shoal.add("storm");
  shoal.ffmpeg(stream, { size: "160x90", fps: 10 });
  neighbour = await visit(browser);
  await swarming(neighbour);
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop()]);
});

async function visit(b: Browser): Promise<Page> {
  const page = await (await b.newContext({ viewport })).newPage();
  await page.goto(stream.watch_url);
  return page;
}

/** The tab plays from its server alone, and says why in words that name the matter. */
async function explains(page: Page, matter: RegExp, ms = 20_000): Promise<void> {
  const s = await until(page, "in trouble that it explains", ({ swarm }) => swarm.state === "trouble" && matter.test(swarm.detail), ms);
  expect(s.swarm.detail).toMatch(/the server/);
  await page.click("#swarm-open");
  await page.waitForFunction((said) => document.querySelector("#swarm-inside")!.textContent.includes(said), s.swarm.detail);
}

/** WebSockets of a tab to one place, which can be shut and opened. */
class Gate {
  open: boolean;
  private readonly through = new Set<() => void>();

  private constructor(open: boolean) {
    this.open = open;
  }

  static async at(c: BrowserContext, where: RegExp, open: boolean): Promise<Gate> {
    const gate = new Gate(open);
    await c.routeWebSocket(where, (ws) => {
      if (!gate.open) return ws.close({ code: 4000 });
      ws.connectToServer();
      gate.through.add(() => ws.close({ code: 4000 }));
    });
    return gate;
  }

  shut(): void {
    this.open = false;
    for (const close of this.through) close();
    this.through.clear();
  }
}

describe("a tab", () => {
  test("in a browser without WebRTC plays from the server, and says why it cannot share", () =>
    inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await playing(page);
        await playsOn(page, 3, 500);
        expect(await stats(page)).toMatchObject({ mode: "edge", limit: "unsupported", swarm: { state: "off" } });
        await page.click("#swarm-open");
        await page.waitForSelector(".remark");
        expect(await page.textContent(".remark")).toMatch(/WebRTC/);
      },
      { before: (c) => c.addInitScript(() => delete (window as Partial<typeof window>).RTCPeerConnection) },
    ));

  test("whose network lets no WebRTC through plays from the server, and says so", () =>
    inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await playing(page);
        await explains(page, /WebRTC/, 40_000);
        await playsOn(page, 2, 500);
      },
      { before: (c) => c.addInitScript(noWayThrough) },
    ));

  test("that reaches no tracker plays from the server and says so, and joins once it is reached", async () => {
    let tracker!: Gate;
    await inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await playing(page);
        await explains(page, /tracker/);
        await playsOn(page, 2, 500);
        tracker.open = true;
        await swarming(page);
      },
      { before: async (c) => (tracker = await Gate.at(c, /\/announce/, false)) },
    );
  });

  test("that loses its tracker in mid-stream keeps its connections, and is fed by them", async () => {
    let tracker!: Gate;
    await inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await swarming(page);
        const before = await stats(page);
        tracker.shut();
        await playsOn(page, 4, 500);
        const s = await swarming(page, 1_000);
        expect(s.swarm.peers.map((p) => p.id)).toEqual(expect.arrayContaining(before.swarm.peers.slice(0, 1).map((p) => p.id)));
        expect(s.swarm.detail).toBe("");
      },
      { before: async (c) => (tracker = await Gate.at(c, /\/announce/, true)) },
    );
  });

  test("that reaches no NATS plays, and is fed by the swarm", () =>
    inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await swarming(page);
        await playsOn(page, 2, 500);
      },
      { before: (c) => Gate.at(c, /\/nats/, false) },
    ));

  test("that loses NATS in mid-stream notices nothing", async () => {
    let nats!: Gate;
    await inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await playing(page);
        nats.shut();
        await swarming(page);
        await playsOn(page, 2, 500);
      },
      { before: async (c) => (nats = await Gate.at(c, /\/nats/, true)) },
    );
  });

  test("whose origin does not answer is fed by the swarm, and by both again when it does", async () => {
    await inTab(browser, stream.watch_url, async (page) => {
      await swarming(page);
      const { stalls } = await stats(page);
      await page.route(/\/(live|api)\//, (r) => r.abort());
      await playsOn(page, 8, 1_000);
      expect((await stats(page)).state).toBe("playing");
      await page.unroute(/\/(live|api)\//);
      await playsOn(page, 2, 500);
      expect((await stats(page)).stalls - stalls).toBeLessThanOrEqual(1);
      await swarming(page, 5_000);
    });
  });

  test("that is hidden gives nothing, and is fed by the swarm once it is shown again", () =>
    inTab(browser, stream.watch_url, async (page) => {
      await swarming(page);
      await hide(page, true);
      await watched(page, process.env["SHOAL_SOAK"] ? 300 : 3, 400_000);
      await hide(page, false);
      await swarming(page);
      await until(page, "close to live", (s) => s.delayMs !== null && s.delayMs < 2_000);
    }));

  test("that loses its network for some seconds is fed by the swarm again soon after", () =>
    inTab(browser, stream.watch_url, async (page) => {
      await swarming(page);
      const before = await stats(page);
      const devtools = await page.context().newCDPSession(page);
      const network = (offline: boolean) =>
        devtools.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1, packetLoss: offline ? 100 : 0 } as never);
      await page.context().setOffline(true);
      await network(true);
      await until(page, "without the network", (s) => s.swarm.peers.length === 0 || (s.state === "unreachable"), 20_000);
      await page.context().setOffline(false);
      await network(false);
      await swarming(page);
      expect(before.state).toBe("playing");
    }));

  test("that is frozen for some seconds, as browsers do to save power, is close to live soon after", () =>
    inTab(browser, stream.watch_url, async (page) => {
      await swarming(page);
      const devtools = await page.context().newCDPSession(page);
      await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
      await new Promise((r) => setTimeout(r, 6_000));
      await devtools.send("Page.setWebLifecycleState", { state: "active" });
      await swarming(page);
      await until(page, "close to live", (s) => s.delayMs !== null && s.delayMs < 2_000);
    }));

  test("that may have no worker is fed by the swarm all the same", () =>
    inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await swarming(page);
        await playsOn(page, 2, 500);
      },
      {
        expected: /status of 404|ERR_|Content Security Policy/,
        before: (c) => c.addInitScript(forbidWorkers),
      },
    ));

});

/** Says that the page is hidden or shown, as a browser does when tabs are switched. */
async function hide(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

/** Has the page's rules allow no worker. */
function forbidWorkers(): void {
  const watch = new MutationObserver(() => {
    if (!document.head) return;
    watch.disconnect();
    const meta = document.createElement("meta");
    meta.httpEquiv = "Content-Security-Policy";
    meta.content = "worker-src 'none'";
    document.head.append(meta);
  });
  watch.observe(document, { childList: true, subtree: true });
}

/** Has all addresses that WebRTC tells and is told lead nowhere. */
function noWayThrough(): void {
  const nowhere = (sdp: string) => sdp.replace(/(a=candidate:\S+ \d \S+ \d+) \S+ \d+/g, "$1 127.0.0.1 9");
  const { prototype } = RTCPeerConnection;
  const own = Object.getOwnPropertyDescriptor(prototype, "localDescription")!.get!;
  Object.defineProperty(prototype, "localDescription", {
    get(this: RTCPeerConnection) {
      const d = own.call(this) as RTCSessionDescription | null;
      return d && { type: d.type, sdp: nowhere(d.sdp) };
    },
  });
  const take = prototype.setRemoteDescription as (d: RTCSessionDescriptionInit) => Promise<void>;
  prototype.setRemoteDescription = function (d: RTCSessionDescriptionInit) {
    return take.call(this, { type: d.type, sdp: nowhere(d.sdp ?? "") });
  };
}
void resolve;
