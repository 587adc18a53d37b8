// The player page on the real binary, fed by real encoders.
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { launch, open, playing, stats, until } from "./support/browser.ts";
import { eventually, outsideAddress, type Picture, type Sent, Shoal, type Stream } from "./support/shoal.ts";
import { plays, viewing, watched } from "./support/watching.ts";

let browser: Browser;
let shoal: Shoal;

beforeAll(async () => {
  [browser, shoal] = await Promise.all([launch(), Shoal.start()]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop()]);
});

test("what ffmpeg pushes with settings of its own plays verified, whole and without a stall", async () => {
  const s = await shoal.add("concert");
  const encoder = shoal.ffmpeg(s, { size: "1280x720", gop: 60, bframes: 2 });
  await viewing(browser, s.watch_url, async (page) => {
    await plays(page, s, 2);
    const before = await stats(page);
    const saw = await watched(page, 8);
    const after = await stats(page);
    expect(after).toMatchObject({ width: 1280, height: 720, provenance: "verified", piecesRejected: 0, stalls: before.stalls });
    expect(saw.longestHoldMs).toBeLessThan(250);
    expect(saw.frames).toBeGreaterThan(8 * 28);
    expect(after.codecs).toMatch(/^avc1\.[0-9a-f]{6},mp4a\.40\.2$/i);
    expect(after.delayMs).toBeGreaterThan(0);
    expect(after.delayMs).toBeLessThan(2_000);
  });
  await encoder.stop();
});

describe.concurrent("every shape of stream plays:", () => {
  const soak = Boolean(process.env["SHOAL_SOAK"]); // for all pairs of codecs
  const shapes: { name: string; what: string; push: (s: Stream) => { stop(): Promise<void> }; codecs: RegExp; fps?: number; size?: [number, number] }[] = [];
  const add = (name: string, what: string, codecs: RegExp, push: (s: Stream) => { stop(): Promise<void> }, fps?: number) =>
    shapes.push({ name, what, push, codecs, ...(fps ? { fps, size: [320, 180] as [number, number] } : {}) });
  const sent = (o: Sent) => (s: Stream) => shoal.send(s, o);
  const pushed = (o: Picture) => (s: Stream) => shoal.ffmpeg(s, o);
  add("av1-opus", "AV1 and Opus", /^av01\.[^,]+,opus$/, sent({ video: "av01", audio: "Opus" }), 30);
  if (soak) add("av1-aac", "AV1 and AAC", /^av01\.[^,]+,mp4a\.40\.2$/, sent({ video: "av01", audio: "mp4a" }), 30);
  add("radio", "AAC without a picture", /^mp4a\.40\.2$/, pushed({ video: false }));
  if (soak) add("radio-opus", "Opus without a picture", /^opus$/, sent({ audio: "Opus" }));
  add("silent", "a picture without sound", /^avc1\.[^,]+$/, pushed({ audio: false }), 30);
  add("long-gop", "a keyframe every 10 s", /^avc1\./, pushed({ gop: 300 }), 30);
  if (soak) add("film", "25 frames a second", /^avc1\./, pushed({ fps: 25, bframes: 3 }), 25);
  add("sport", "60 frames a second", /^avc1\./, pushed({ fps: 60 }), 60);

  for (const shape of shapes) {
    test(shape.what, async () => {
      const s = await shoal.add(shape.name);
      const encoder = shape.push(s);
      await viewing(browser, s.watch_url, async (page) => {
        await playing(page);
        const found = await plays(page, s, 1);
        expect(found.codecs).toMatch(shape.codecs);
        expect(found).toMatchObject({ width: shape.size?.[0] ?? 0, height: shape.size?.[1] ?? 0 });
        const saw = await watched(page, 4);
        // RTMP counts whole milliseconds, so frames are not quite evenly spaced.
        if (shape.fps) expect(Math.abs(1 / saw.frameSeconds / shape.fps - 1)).toBeLessThan(0.05);
      });
      await encoder.stop();
    });
  }

  test("a viewer who comes in the middle of 10 s between keyframes sees a picture by the next one", async () => {
    const s = await shoal.add("late");
    const encoder = shoal.ffmpeg(s, { gop: 300 });
    await eventually("a segment after the only keyframe", async () => {
      const got = await fetch(`${shoal.http}/live/${s.name}/v0/index.m3u8`);
      return got.ok && (await got.text()).split("#EXTINF").length > 1;
    });
    await viewing(browser, s.watch_url, async (page) => {
      await plays(page, s, 2);
      expect((await stats(page)).firstFrameMs).toBeLessThan(10_000);
      expect(await page.evaluate(() => document.querySelector("video")!.getVideoPlaybackQuality().totalVideoFrames)).toBeGreaterThan(30);
    });
    await encoder.stop();
  });
});

test("a page that waits for a stream with 10 s between keyframes shows moving pictures before the second, and asks for no piece again and again", async () => {
  const s = await shoal.add("patience");
  const context = await browser.newContext();
  const page = await context.newPage();
  const asked = new Map<string, number>();
  page.on("request", (r) => {
    const { pathname } = new URL(r.url());
    if (pathname.endsWith(".m4s")) asked.set(pathname, (asked.get(pathname) ?? 0) + 1);
  });
  await page.goto(s.watch_url);
  await until(page, "offline", (s) => s.state === "offline");
  const encoder = shoal.ffmpeg(s, { gop: 300 });
  await playing(page);
  const saw = await watched(page, 2);
  expect(Math.max(...asked.values())).toBeLessThanOrEqual(3);
  expect(saw.longestHoldMs).toBeLessThan(1_000);
  expect(saw.frames).toBeGreaterThan(20);
  await encoder.stop();
  await context.close();
});

describe.concurrent("HEVC, which this browser cannot decode,", () => {
  const title = "This browser cannot play the stream";
  let s: Stream;
  beforeAll(async () => {
    s = await shoal.add("hevc");
    shoal.send(s, { video: "hvc1", audio: "mp4a" });
  });

  test("is said so in a card, with a way out", async () => {
    await viewing(browser, s.watch_url, async (page) => {
      await until(page, "unplayable", (s) => s.state === "unplayable", 30_000);
      expect(await page.isVisible("#overlay")).toBe(true);
      expect(await page.textContent("#notice-title")).toBe(title);
      expect(await page.textContent("#overlay")).toContain("codec");
      expect(await stats(page)).toMatchObject({ firstFrameMs: null, codecs: expect.stringMatching(/^hvc1\./) });
    });
  });

  test("keeps its card: one that comes and goes cannot be read", async () => {
    await viewing(browser, s.watch_url, async (page) => {
      await until(page, "unplayable", (s) => s.state === "unplayable", 30_000);
      const seen = await page.evaluate(
        () =>
          new Promise<string[]>((resolve) => {
            const title = document.querySelector("#notice-title")!;
            const seen = [title.textContent ?? ""];
            const watch = new MutationObserver(() => seen.push(title.textContent ?? ""));
            watch.observe(title, { childList: true, characterData: true, subtree: true });
            setTimeout(() => {
              watch.disconnect();
              resolve(seen);
            }, 5_000);
          }),
      );
      expect(seen).toEqual([title]);
    });
  });
});

describe("who made it", () => {
  let context: BrowserContext;
  beforeEach(async () => {
    context = await browser.newContext();
  });
  afterEach(() => context.close());

  test("a stream that was never published has a card, and plays by itself when it is; a link to another id is refused", async () => {
    const s = await shoal.add("premiere");
    const { page, errors } = await open(context, s.watch_url);
    await until(page, "offline", (s) => s.state === "offline");
    expect(await page.textContent("#notice-title")).toBe("premiere is offline");
    const encoder = shoal.ffmpeg(s);
    await plays(page, s, 2);
    expect(errors).toEqual([]);

    const asked: string[] = [];
    const wrong = await context.newPage();
    wrong.on("request", (r) => asked.push(new URL(r.url()).pathname));
    await wrong.goto(`${s.watch_url.split("#")[0]}#${"a".repeat(32)}`);
    await until(wrong, "broken", (s) => s.provenance === "broken");
    expect(await stats(wrong)).toMatchObject({ state: "broken", piecesVerified: 0 });
    expect(await wrong.textContent("#overlay")).toContain(s.stream_id);
    expect(asked.filter((a) => /\.(m4s|mp4|m3u8)$/.test(a))).toEqual([]);
    expect(await wrong.evaluate(() => document.querySelector("video")!.readyState)).toBe(0);
    await encoder.stop();
  });

  test("over plain http at an address that is not loopback, the page verifies without WebCrypto", async () => {
    const s = await shoal.add("lan");
    const encoder = shoal.ffmpeg(s);
    const url = new URL(s.watch_url);
    url.hostname = outsideAddress();
    const { page, errors } = await open(context, url.href);
    expect(await page.evaluate(() => [isSecureContext, typeof crypto.subtle])).toEqual([false, "undefined"]);
    expect(await plays(page, s, 3)).toMatchObject({ engine: "noble" });
    expect(errors).toEqual([]);
    await encoder.stop();
  });
});

describe("parameters that change", () => {
  test("a publisher who comes back with another resolution is the next epoch, and the page goes on", async () => {
    const s = await shoal.add("again");
    const first = shoal.ffmpeg(s, { size: "320x180" });
    await viewing(browser, s.watch_url, async (page) => {
      const before = await plays(page, s, 1);
      expect(before).toMatchObject({ width: 320, height: 180 });
      await first.stop();
      const second = shoal.ffmpeg(s, { size: "640x360" });
      await until(page, "the new picture", (s) => s.state === "playing" && s.width === 640 && s.height === 360 && s.epoch !== before.epoch, 25_000);
      await plays(page, s, 2);
      await second.stop();
    });
  });

  test("a resolution that changes in mid-stream gets an init segment of its own, and the page goes on", async () => {
    const s = await shoal.add("rotate");
    const sender = shoal.send(s, { video: "avc1", audio: "mp4a", bframes: 2, then: "640x360", round: "2s" });
    await viewing(browser, s.watch_url, async (page) => {
      const before = await plays(page, s, 1);
      expect(before).toMatchObject({ width: 320, height: 180 });
      await sender.order("change", "changed");
      const after = await until(page, "the new picture", (s) => s.state === "playing" && s.width === 640 && s.height === 360, 15_000);
      expect(after.epoch).toBe(before.epoch);
      await plays(page, s, 3);
      expect((await stats(page)).stalls).toBeLessThanOrEqual(1);
      const playlist = await eventually("the playlist", async () => {
        const got = await fetch(`${shoal.http}/live/${s.name}/v0/index.m3u8`);
        return got.ok ? got.text() : null;
      });
      expect(playlist).toContain("#EXT-X-DISCONTINUITY\n");
      expect(new Set(playlist.match(/init\/[0-9a-f]{64}\.mp4/g)).size).toBe(2);
    });
  });
});
