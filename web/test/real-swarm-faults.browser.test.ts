// What goes wrong around a tab in a swarm: it plays on, or says what is wrong. All of it real: the binary, ffmpeg,
// Chromium, WebRTC.
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ShoalPlayer } from "../player/element.ts";
import { playing, stats, until } from "./support/browser.ts";
import { bundled } from "./support/bundle.ts";
import { eventually, Shoal, type Stream } from "./support/shoal.ts";
import { inTab, launchSwarming, playsOn, sleepyBrowser, swarmFlags, swarming, viewport, watchAppends } from "./support/swarm.ts";
import { watched } from "./support/watching.ts";
import type { View } from "../player/view.ts";

let browser: Browser;
let shoal: Shoal;
let stream: Stream;
let neighbour: Page;
let script: string; // of hostile pages

const hiddenSeconds = process.env["SHOAL_SOAK"] ? 300 : 6;
/** That the picture may stand still for where nothing should be noticed: machines that run many tabs hold each up a little. */
const shortMs = 1_000;
const picture = { size: "160x90", fps: 10 }; // the less there is to decode, the more tabs a machine bears

beforeAll(async () => {
  [browser, shoal, script] = await Promise.all([launchSwarming(), Shoal.start(swarmFlags), bundled(resolve(import.meta.dirname, "hostile/page.ts"))]);
  stream = await shoal.add("storm");
  shoal.ffmpeg(stream, picture);
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
        await playsOn(page, 3, shortMs);
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
        await playsOn(page, 2, shortMs);
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
        await playsOn(page, 2, shortMs);
        tracker.open = true;
        await swarming(page);
      },
      { before: async (c) => (tracker = await Gate.at(c, /\/announce/, false)) },
    );
  });

  test("that loses tracker and NATS in mid-stream keeps its connections, and is fed by them", async () => {
    const gates: Gate[] = [];
    await inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await swarming(page);
        const before = await stats(page);
        for (const gate of gates) gate.shut();
        await playsOn(page, 4, shortMs);
        const s = await swarming(page);
        const known = before.swarm.peers.map((p) => p.id);
        expect(s.swarm.peers.filter((p) => known.includes(p.id)).length).toBeGreaterThan(0);
        expect(s.swarm.detail).toBe("");
      },
      { before: async (c) => void gates.push(await Gate.at(c, /\/announce/, true), await Gate.at(c, /\/nats/, true)) },
    );
  });

  test("whose origin does not answer is fed by the swarm, and by both again when it does", async () => {
    await inTab(browser, stream.watch_url, async (page) => {
      await swarming(page);
      await page.route(/\/(live|api)\//, (r) => r.abort());
      await playsOn(page, 8, 1_500);
      expect((await stats(page)).state).toBe("playing");
      await page.unroute(/\/(live|api)\//);
      await playsOn(page, 2, shortMs);
      await swarming(page);
    });
  });

  test("whose stream becomes a sensitive one leaves the swarm within a minute or so, says so, and plays on", async () => {
    const own = await shoal.add("own");
    shoal.ffmpeg(own);
    await inTab(browser, own.watch_url, async (page) => {
      await swarming(page);
      await shoal.set(own, "--sensitive");
      await until(page, "out of the swarm", ({ swarm, limit }) => limit === "sensitive" && swarm.state === "off", 80_000);
      await playsOn(page, 3, 1_500);
      expect((await stats(page)).swarm.peers).toEqual([]);
    });
  }, 180_000);

  test("that is hidden gives nothing, and is fed by the swarm once it is shown again; a glance at another tab changes nothing", () =>
    inTab(browser, stream.watch_url, async (page) => {
      const ids = ({ swarm }: View) => swarm.peers.map((p) => p.id).sort();
      const before = ids(await swarming(page));
      await hide(page, true);
      await hide(page, false);
      await playsOn(page, 4, 1_500);
      expect(ids(await stats(page))).toEqual(expect.arrayContaining(before));
      await hide(page, true);
      await watched(page, hiddenSeconds, 400_000);
      await hide(page, false);
      await swarming(page);
      await until(page, "close to live", (s) => s.delayMs !== null && s.delayMs < 2_000);
    }), 120_000 + hiddenSeconds * 1_200);

  test("whose network goes away and comes back is fed by the connections that last, and has them still", () =>
    inTab(browser, stream.watch_url, async (page) => {
      await swarming(page);
      const before = (await stats(page)).swarm.peers.map((p) => p.id);
      await page.context().setOffline(true); // all but WebRTC
      await playsOn(page, 4, 1_500);
      await page.context().setOffline(false); // which has connections mended, and trackers asked anew
      await playsOn(page, 2, 1_500);
      const { swarm } = await swarming(page);
      expect(swarm.peers.filter((p) => before.includes(p.id)).length).toBeGreaterThan(0);
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

  test("that reaches no NATS and may have no worker is fed by the swarm all the same", () =>
    inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await swarming(page);
        await playsOn(page, 2, shortMs);
      },
      {
        expected: /status of 404|ERR_|Content Security Policy/,
        before: async (c) => {
          await Gate.at(c, /\/nats/, false);
          await c.addInitScript(forbidWorkers);
        },
      },
    ));

  test("on a machine that slept is close to live soon after it wakes, and fed by the swarm again", async () => {
    const { browser, sleep, close } = await sleepyBrowser();
    try {
      await inTab(browser, stream.watch_url, async (page) => {
        await swarming(page);
        await sleep(8_000);
        await swarming(page);
        await until(page, "close to live", (s) => s.delayMs !== null && s.delayMs < 2_000);
      });
    } finally {
      await close();
    }
  });

  test("that goes to another page leaves the swarm at once, and plays as one viewer when it comes back from the browser's cache", async () => {
    const stream = await shoal.add("visited"); // where nobody else comes and goes
    const publisher = shoal.ffmpeg(stream, picture);
    await inTab(browser, stream.watch_url, async (page) => {
      await swarming(page);
      const before = await viewers(stream);
      await page.evaluate(() => Object.assign(window, { kept: true }));
      await page.goto(shoal.http);
      await eventually("the tracker to count one less", async () => (await viewers(stream)) === before - 1, 5_000);
      await page.goBack({ waitUntil: "commit" });
      expect(await page.evaluate(() => "kept" in window)).toBe(true);
      await swarming(page);
      expect(await viewers(stream)).toBe(before);
    });
    await publisher.stop();
  });

  test("that may hold little holds no more, and is fed by the swarm", async () => {
    const most = 1_000_000;
    const context = await browser.newContext({ viewport, bypassCSP: true }); // as a page has that brings its own script
    const page = await context.newPage();
    await page.goto(shoal.http);
    await page.addScriptTag({ url: `${shoal.http}/player.js`, type: "module" });
    const held = await page.evaluate(holding, { src: stream.watch_url, most, bytes: 2 * most });
    expect(held.swarm).toBeGreaterThan(0);
    expect(held.most).toBeLessThan(most);
    expect(held.most).toBeGreaterThan(most / 4);
    await context.close();
  });
});

describe("hostile", () => {
  test("viewers who forge blocks, signatures and leaf hashes, or send what is too long, are thrown out by all: no byte of theirs is played, and the others go on", async () => {
    let appends!: Awaited<ReturnType<typeof watchAppends>>;
    await inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await swarming(page);
        const context = await browser.newContext({ viewport, bypassCSP: true });
        const hostile = await context.newPage();
        await hostile.goto(shoal.http);
        await hostile.addScriptTag({ content: script, type: "module" });
        await hostile.waitForFunction(() => "Forger" in window);
        await hostile.evaluate(
          async ([name, id, ...lies]) => (window.forgers = await Promise.all(lies.map((lie) => window.Forger.start(name!, id!, lie)))),
          [stream.name, stream.stream_id, "blocks", "heads", "leaves", "too long"],
        );
        await eventually("the forgers to be thrown out", () => hostile.evaluate(() => window.forgers.every((f) => f.met > 0 && f.thrownOut === f.met)), 20_000);
        await playsOn(page, 3, shortMs);
        await context.close();
        await swarming(page);
        const seen = await appends(page);
        expect(seen.appends).toBeGreaterThan(10);
        expect(seen.forged).toBe(0);
        expect(await stats(page)).toMatchObject({ state: "playing", provenance: "verified", piecesRejected: 0 });
      },
      { before: async (c) => (appends = await watchAppends(c)) },
    );
  });

  test("a tracker that floods with offers and lies costs a tab a few connections and a sentence", () =>
    inTab(
      browser,
      stream.watch_url,
      async (page) => {
        await playing(page);
        await explains(page, /tracker/);
        await playsOn(page, 3, shortMs);
        expect(await page.evaluate(() => (window as unknown as { made: number }).made)).toBeLessThan(64);
      },
      {
        before: async (c) => {
          await c.addInitScript(countConnections);
          await c.routeWebSocket(/\/announce/, (ws) => ws.onMessage((m) => flood(JSON.parse(String(m)) as Announce).forEach((lie) => ws.send(lie))));
        },
      },
    ));
});

describe("when shoal is killed and starts again on the same ports", () => {
  test("tabs play the next publish, and feed each other again", () =>
    inTab(browser, stream.watch_url, async (page) => {
      await swarming(page);
      const before = await stats(page);
      await shoal.kill();
      await until(page, "without the seed", (s) => !s.swarm.peers.some((p) => p.role === "seed"));
      await shoal.up();
      shoal.ffmpeg(stream, picture);
      await until(page, "in the next epoch", (s) => s.state === "playing" && (s.epoch ?? 0) > before.epoch!, 30_000);
      await swarming(page);
    }));
});

/** How many the tracker counts in the swarm of a stream. */
async function viewers(stream: Stream): Promise<number> {
  const torrent = Buffer.from(await (await fetch(`${shoal.http}/live/${stream.name}/stream.torrent`)).arrayBuffer());
  const hash = createHash("sha1").update(torrent.subarray(torrent.indexOf("4:info") + "4:info".length, -1)).digest("hex");
  const said = await (await fetch(`${shoal.http}/scrape?info_hash=${hash.replaceAll(/../g, "%$&")}`)).text();
  return Number(/10:incompletei(\d+)e/.exec(said)![1]);
}

/** Plays so many bytes with a bound of memory, and says the most that was held: in the window that is given on, and by the decoder. */
async function holding({ src, most, bytes }: { src: string; most: number; bytes: number }) {
  const player = document.createElement("shoal-player") as ShoalPlayer;
  for (const [k, v] of Object.entries({ src, muted: "", autoplay: "", "max-buffer": String(most) })) player.setAttribute(k, v);
  document.body.append(player);
  await customElements.whenDefined("shoal-player");
  const video = player.shadowRoot!.querySelector("video")!;
  const of = (p: object) => p as unknown as { session: { swarming: { figures: { window: number } | null } | null } | null };
  const found = { most: 0, played: 0, swarm: 0 };
  await new Promise<void>((done) => {
    const timer = setInterval(() => {
      const { buffered } = video;
      const seconds = Array.from({ length: buffered.length }, (_, i) => buffered.end(i) - buffered.start(i)).reduce((a, b) => a + b, 0);
      const v = player.view();
      if (!v || !player.player) return;
      found.most = Math.max(found.most, (of(player.player).session?.swarming?.figures?.window ?? 0) + (seconds * v.bitrate) / 8);
      const b = v.swarm.bytes;
      found.swarm = b.peer + b.seed + b.edge;
      found.played = found.swarm + b.origin;
      if (found.played < bytes) return;
      clearInterval(timer);
      done();
    }, 100);
  });
  return found;
}

interface Announce {
  info_hash: string;
  peer_id: string;
  offers?: { offer_id: string; offer: { sdp: string } }[];
}

/** What a tracker might say that means no good. */
function flood({ info_hash, peer_id, offers }: Announce): string[] {
  const base = { action: "announce", info_hash };
  const sdp = offers?.[0]?.offer.sdp ?? "v=0";
  const id = (n: number) => String(n).padStart(20, "x");
  return [
    JSON.stringify({ ...base, interval: 0.001, incomplete: 1e9 }),
    "{".repeat(1_000),
    ...Array.from({ length: 60 }, (_, n) => JSON.stringify({ ...base, peer_id: id(n), offer_id: id(n), offer: { type: "offer", sdp } })),
    ...(offers ?? []).map((o) => JSON.stringify({ ...base, peer_id: id(99), offer_id: o.offer_id, answer: { type: "answer", sdp: "v=0" } })),
    ...Array.from({ length: 1_200 }, (_, n) => JSON.stringify({ ...base, info_hash: id(n), peer_id })),
  ];
}

function countConnections(): void {
  const Real = RTCPeerConnection;
  const counted = window as unknown as { made: number };
  counted.made = 0;
  window.RTCPeerConnection = class extends Real {
    constructor(c?: RTCConfiguration) {
      counted.made++;
      super(c);
    }
  };
}

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
