// A source and the smaller renditions that the real binary makes of it, switched between in Chromium: by hls.js alone,
// and by our page, where the viewer says so, where the network does, and where a rendition goes away.
import type Hls from "hls.js";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, open, playing, stats, until } from "./support/browser.ts";
import { eventually, type Publisher, Shoal, type Stream, swarming } from "./support/shoal.ts";
import { OtherSite, type Stock } from "./support/stock.ts";
import { plays, viewing, watched } from "./support/watching.ts";

const ladder = "--renditions=240p,180p,120p";
const heights = [120, 180, 240, 360];
const source = { size: "640x360", fps: 15 }; // four pictures of it are coded and one is shown, on two cores
const alone = ["--torrent=", "--webrtc=", "--tracker-udp=", "--stun="];

let browser: Browser;
let shoal: Shoal;
let site: OtherSite;
let stream: Stream;
let encoder: Publisher;

beforeAll(async () => {
  [browser, shoal, site] = await Promise.all([launch(["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]), Shoal.start([...alone, ladder]), OtherSite.start()]);
  stream = await shoal.add("concert");
  encoder = shoal.ffmpeg(stream, source);
  await offered(shoal, stream, 4);
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop(), site?.stop()]);
});

/** Waits until the origin offers so many renditions, of which each has three whole segments. */
async function offered(at: Shoal, s: Stream, count: number): Promise<void> {
  const text = async (path: string) => {
    const got = await fetch(`${at.http}/live/${s.name}/${path}`);
    return got.ok ? await got.text() : "";
  };
  await eventually(`${count} renditions of ${s.name}`, async () => {
    const names = (await text("index.m3u8")).match(/^v\d(?=\/index)/gm) ?? [];
    const lists = await Promise.all(names.map((r) => text(`${r}/index.m3u8`)));
    return lists.filter((l) => l.split("#EXTINF").length > 3).length === count;
  }, 60_000);
}

/** What happened to a video since `observe`: how often it waited, and how long its playhead stood still at most. */
interface Seen {
  waited: number;
  heldMs: number;
  seconds: number;
}

/** Begins to observe the page's video. */
async function observe(page: Page): Promise<void> {
  await page.evaluate(() => {
    const video = document.querySelector("video")!;
    const seen = { waited: 0, heldMs: 0, seconds: 0 };
    (window as unknown as { seen: Seen }).seen = seen;
    video.addEventListener("waiting", () => seen.waited++);
    let [at, moved] = [video.currentTime, performance.now()];
    setInterval(() => {
      const now = performance.now();
      seen.heldMs = Math.max(seen.heldMs, now - moved);
      if (video.currentTime === at) return;
      seen.seconds += Math.max(0, video.currentTime - at);
      [at, moved] = [video.currentTime, now];
    }, 20);
  });
}

/** Begins to observe once three seconds went by without a wait: hls.js may leave a second or two between its first playlists, whoever serves them. */
async function settled(page: Page): Promise<void> {
  await observe(page);
  await eventually("three seconds without a wait", async () => {
    const { waited, heldMs, seconds } = await seen(page);
    if (waited === 0 && heldMs < 200) return seconds > 3;
    await observe(page);
    return false;
  });
}

const seen = (page: Page) => page.evaluate(() => (window as unknown as { seen: Seen }).seen);
const height = (page: Page) => page.evaluate(() => document.querySelector("video")!.videoHeight);
const shows = (page: Page, lines: number, ms = 15_000) => eventually(`a picture of ${lines} lines`, async () => (await height(page)) === lines, ms);

describe("a plain page with hls.js", () => {
  for (const way of ["nextLevel", "loadLevel"] as const) {
    test(`goes down and up through all renditions by ${way}, and never stalls`, async () => {
      const context = await browser.newContext();
      const { page, errors } = await open(context, site.url("hls", `${shoal.http}/live/concert/index.m3u8`), /(?!)/);
      const said = () => page.evaluate(() => (window as unknown as { stock: Stock }).stock.errors);
      await eventually("hls.js to play", () => page.evaluate(() => document.querySelector("video")!.currentTime > 2 && document.querySelector("video")!.readyState > 2));
      const levels = await page.evaluate(() => (window as unknown as { hls: Hls }).hls.levels.map((l) => l.height));
      expect(levels).toEqual(heights);
      await settled(page);
      for (const i of [3, 2, 1, 0, 1, 2, 3, 0, 3]) {
        await page.evaluate(([way, i]) => ((window as unknown as { hls: Hls }).hls[way] = i), [way, i] as const);
        await shows(page, heights[i]!);
      }
      // It says so of a request that it gave up itself because of the switch.
      expect((await said()).filter((e) => !/^networkError aborted false/.test(e))).toEqual([]);
      expect(errors).toEqual([]);
      const { waited, heldMs, seconds } = await seen(page);
      expect({ waited, held: heldMs > 500 }).toEqual({ waited: 0, held: false });
      expect(seconds).toBeGreaterThan(5);
      await context.close();
    });
  }
});

const flags = { "over HTTP alone": alone, "with the swarm": swarming };

for (const [how, those] of Object.entries(flags)) {
  describe(`our page, ${how},`, () => {
    let own: Shoal;
    let s: Stream;
    beforeAll(async () => {
      own = those === alone ? shoal : await Shoal.start([...those, ladder]);
      s = own === shoal ? stream : await own.add("concert");
      if (own !== shoal) {
        await encoder.stop(); // two ladders would be too much for two cores
        own.ffmpeg(s, source);
      }
      await offered(own, s, 4);
    });
    afterAll(async () => {
      if (own === shoal) return;
      await own?.stop();
      encoder = shoal.ffmpeg(stream, source);
      await offered(shoal, stream, 4);
    });

    test("goes down and up through all renditions as its viewer chooses, never stalls, and verifies everything", async () => {
      await viewing(browser, s.watch_url, async (page) => {
        await plays(page, s, 3);
        const peers = those === alone ? 0 : 1;
        await until(page, "in the swarm", (v) => v.swarm.peers.length >= peers);
        expect((await stats(page)).qualities.map((q) => q.height)).toEqual([360, 240, 180, 120]);
        await observe(page);
        for (const r of ["v1", "v2", "v3", "v2", "v1", "v0", "v3", "v0"]) {
          await page.selectOption("#rendition", r);
          await shows(page, { v0: 360, v1: 240, v2: 180, v3: 120 }[r]!);
        }
        await page.selectOption("#rendition", "");
        await watched(page, 1);
        const { waited, heldMs, seconds } = await seen(page);
        expect({ waited, held: heldMs > 500 }).toEqual({ waited: 0, held: false });
        expect(seconds).toBeGreaterThan(5);
        expect(await stats(page)).toMatchObject({ state: "playing", provenance: "verified", piecesRejected: 0, quality: null });
      });
    });
  });
}

describe("our page by itself", () => {
  test("goes down where the network is too slow for the source, and up again when it is no longer", async () => {
    await viewing(browser, stream.watch_url, async (page) => {
      await plays(page, stream, 3);
      const cdp = await page.context().newCDPSession(page);
      const limit = (kbits: number) =>
        cdp.send("Network.emulateNetworkConditions", { offline: false, latency: 20, downloadThroughput: kbits < 0 ? -1 : (kbits * 1000) / 8, uploadThroughput: -1 });
      await limit(500);
      await eventually("a smaller picture", async () => (await height(page)) < 360, 30_000);
      await watched(page, 4);
      expect(await height(page)).toBeLessThan(360);
      await limit(-1);
      await shows(page, 360, 40_000);
      expect(await stats(page)).toMatchObject({ state: "playing", provenance: "verified", piecesRejected: 0, quality: null });
    });
  });

  test("goes to another rendition when the one that it plays is made no longer, and plays on", async () => {
    await viewing(browser, stream.watch_url, async (page) => {
      await plays(page, stream, 3);
      await page.selectOption("#rendition", "v2");
      await shows(page, 180);
      await observe(page);
      // As often as they are started again: nothing more comes of them.
      await eventually("another rendition", async () => (shoal.killEncoders(), (await height(page)) === 360), 10_000);
      expect((await stats(page)).quality).toBeNull();
      await watched(page, 4);
      expect(await stats(page)).toMatchObject({ state: "playing", provenance: "verified", piecesRejected: 0 });
    });
  });

  test("that was open before the stream began gets the other renditions when they come, and plays on meanwhile", async () => {
    await encoder.stop();
    const s = await shoal.add("morning");
    await viewing(browser, s.watch_url, async (page) => {
      await until(page, "offline", (v) => v.state === "offline");
      const morning = shoal.ffmpeg(s, source);
      await playing(page);
      await observe(page);
      const v = await until(page, "offered all renditions", (v) => v.qualities.length === 4, 30_000);
      expect(v.state).toBe("playing");
      for (const r of ["v3", "v0", "v1"]) {
        await page.selectOption("#rendition", r);
        await shows(page, { v0: 360, v1: 240, v3: 120 }[r]!);
      }
      await watched(page, 2);
      expect((await seen(page)).heldMs).toBeLessThan(1_000);
      expect(await stats(page)).toMatchObject({ state: "playing", provenance: "verified", piecesRejected: 0, quality: "v1" });
      await morning.stop();
    });
  });
});

describe("a source in a codec that the browser lacks", () => {
  test("is watched on our page, which was open before, in what was made of it, and is not among what a viewer may choose", async () => {
    const s = await shoal.add("hevc");
    await viewing(browser, s.watch_url, async (page) => {
      await until(page, "offline", (v) => v.state === "offline");
      const sender = shoal.send(s, { video: "hvc1", audio: "mp4a" });
      await until(page, "shown", (v) => v.state === "playing" && v.height === 120, 30_000);
      await plays(page, s, 3);
      expect((await stats(page)).qualities.map((q) => q.height)).toEqual([120]);
      expect(await stats(page)).toMatchObject({ state: "playing", provenance: "verified", piecesRejected: 0 });

      const context = await browser.newContext();
      const { page: theirs, errors } = await open(context, site.url("hls", `${shoal.http}/live/${s.name}/index.m3u8`), /(?!)/);
      await shows(theirs, 120); // by hls.js alone
      expect(errors).toEqual([]);
      await context.close();
      await sender.stop();
    });
  });
});
