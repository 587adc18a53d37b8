// A source and the smaller renditions that the real binary makes of it, switched between in Chromium: by hls.js alone,
// and by our page, where the viewer says so, where the network does, and where a rendition goes away.
import type Hls from "hls.js";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, open } from "./support/browser.ts";
import { eventually, Shoal, type Stream } from "./support/shoal.ts";
import { OtherSite, type Stock } from "./support/stock.ts";

const ladder = "--renditions=240p,180p,120p";
const heights = [120, 180, 240, 360];
const alone = ["--torrent=", "--webrtc=", "--tracker-udp=", "--stun="];

let browser: Browser;
let shoal: Shoal;
let site: OtherSite;
let stream: Stream;

beforeAll(async () => {
  [browser, shoal, site] = await Promise.all([launch(), Shoal.start([...alone, ladder]), OtherSite.start()]);
  stream = await shoal.add("concert");
  shoal.ffmpeg(stream, { size: "640x360", gop: 30 });
  await offered(stream, 4);
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop(), site?.stop()]);
});

/** Waits until the origin offers so many renditions, of which each has three whole segments. */
async function offered(s: Stream, count: number): Promise<void> {
  const text = async (path: string) => {
    const got = await fetch(`${shoal.http}/live/${s.name}/${path}`);
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
      await observe(page);
      for (const i of [3, 2, 1, 0, 1, 2, 3, 0, 3]) {
        await page.evaluate(([way, i]) => ((window as unknown as { hls: Hls }).hls[way] = i), [way, i] as const);
        await shows(page, heights[i]!);
      }
      expect(await said()).toEqual([]);
      expect(errors).toEqual([]);
      const { waited, heldMs, seconds } = await seen(page);
      expect({ waited, held: heldMs > 500 }).toEqual({ waited: 0, held: false });
      expect(seconds).toBeGreaterThan(5);
      await context.close();
    });
  }
});
