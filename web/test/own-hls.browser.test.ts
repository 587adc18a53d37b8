// A page with an hls.js of its own, to which Shoal is added: what it plays, what it may go on doing, and what becomes of
// its qualities inside one swarm.
import { resolve } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { launch, open } from "./support/browser.ts";
import { serveScript } from "./support/bundle.ts";
import { type Clip, makeClip } from "./support/clip.ts";
import { TestOrigin } from "./support/origin.ts";
import { TestStream } from "./support/stream.ts";
import { TestTracker } from "./support/tracker.ts";
import { watched } from "./support/watching.ts";

let browser: Browser;
let clips: Record<"v0" | "v1", Clip>;
let site: Awaited<ReturnType<typeof serveScript>>;
let tracker: TestTracker;
let context: BrowserContext;
let origin: TestOrigin;
let stream: TestStream;

beforeAll(async () => {
  clips = { v0: makeClip(30), v1: makeClip(30, "testsrc2=size=320x180:rate=30", "200k") };
  [browser, site, tracker] = await Promise.all([launch(), serveScript(resolve(import.meta.dirname, "support/pages/own-hls.ts")), TestTracker.start()]);
});
afterAll(() => Promise.all([browser.close(), site.stop(), tracker.stop()]));
beforeEach(async () => {
  context = await browser.newContext();
  origin = await TestOrigin.start();
  stream = await TestStream.of("demo", clips.v0, {}, { v1: clips.v1 });
  origin.add(stream);
  stream.publish(3.3);
});
afterEach(async () => {
  await context.close();
  await origin.stop();
});

const link = () => `${origin.url}/live/demo#${stream.id}`;

async function visit(): Promise<{ page: Page; errors: string[] }> {
  const visit = await open(context, `${site.url}?link=${encodeURIComponent(link())}`);
  await visit.page.waitForFunction(() => window.owned?.player.verdict().state === "verified" && window.owned.player.stats().pieces_verified > 5);
  return visit;
}

/** Has hls.js switch, as a viewer or its own measure would, and waits until that is what is seen. */
async function switchTo(page: Page, height: number): Promise<void> {
  await page.evaluate((h) => {
    const { hls } = window.owned;
    hls.nextLoadLevel = hls.levels.findIndex((l) => l.height === h);
    hls.loadLevel = hls.levels.findIndex((l) => l.height === h);
  }, height);
  await page.waitForFunction((h) => window.owned.video.videoHeight === h, height, { timeout: 6_000 });
}

test("three lines play the stream with the page's hls.js, verified and near live; its listeners hear of it, and stopping gives it back as it was", async () => {
  const { page, errors } = await visit();
  const saw = await watched(page, 3);
  expect(saw.longestHoldMs).toBeLessThan(400);
  const now = await page.evaluate(() => ({ ...window.owned.player.view(), heard: window.owned.heard, mine: window.owned.hls.media === window.owned.video }));
  expect(now).toMatchObject({ provenance: "verified", state: "playing", piecesRejected: 0, mine: true });
  expect(now.delayMs).toBeLessThan(2_500);
  expect(now.heard).toContain("hlsFragBuffered");
  expect(origin.asked.filter((a) => /\/v\d\/index\.m3u8/.test(a)), "media playlists are made in the page").toEqual([]);
  const after = await page.evaluate(() => {
    const { hls, player, heard, video } = window.owned;
    player.destroy();
    const { liveSyncDuration, liveSyncDurationCount, maxBufferLength, lowLatencyMode, pLoader, fLoader } = hls.config;
    return { liveSyncDuration, liveSyncDurationCount, maxBufferLength, lowLatencyMode, pLoader, fLoader, ...hls.userConfig, heard, media: hls.media, src: video.src };
  });
  expect(after).toMatchObject({ liveSyncDurationCount: 4, maxBufferLength: 17, media: null, src: "" });
  expect([after.liveSyncDuration, after.pLoader, after.fLoader]).toEqual([undefined, undefined, undefined]);
  expect(after.heard).toContain("hlsMediaDetached");
  expect(errors).toEqual([]);
});

test("a page that ends its hls.js ends the player, and nothing is asked for any more", async () => {
  const { page, errors } = await visit();
  await page.evaluate(() => window.owned.hls.destroy());
  await page.waitForFunction(() => window.owned.player.moment().state === "unplayable");
  await expect.poll(() => origin.open).toBe(0);
  expect(await page.evaluate(() => window.owned.player.moment().detail)).toContain("hls.js");
  expect(errors).toEqual([]);
});

test("quality is switched both ways without a stall, and all of it is verified", async () => {
  const { page, errors } = await visit();
  expect(await page.evaluate(() => window.owned.hls.levels.map((l) => [l.height, Math.sign(l.bitrate - 1)]))).toEqual([[180, 1], [360, 1]]);
  await page.waitForFunction(() => window.owned.video.currentTime > 0 && window.owned.video.videoHeight === 360);
  for (const height of [180, 360, 180, 360]) {
    await switchTo(page, height);
    await watched(page, 1);
  }
  const v = await page.evaluate(() => window.owned.player.view());
  expect(v).toMatchObject({ state: "playing", provenance: "verified", piecesRejected: 0, stalls: 0, height: 360 });
  expect(v.delayMs).toBeLessThan(2_500);
  expect(errors).toEqual([]);
});

test("viewers of different qualities stay in one swarm: who switches keeps its connections, and plays on verified", async () => {
  origin.swarm = { consent: "share", trackers: [tracker.url] };
  const [a, b] = [(await visit()).page, (await visit()).page];
  const id = (page: Page) => page.evaluate(() => window.owned.player.view().swarm.peers.map((p) => p.id));
  for (const page of [a, b]) await expect.poll(() => id(page), { timeout: 10_000 }).toHaveLength(1);
  const before = await id(b);
  await switchTo(b, 180);
  await watched(b, 2);
  expect(await id(b), "the same peer").toEqual(before);
  for (const page of [a, b]) expect(await page.evaluate(() => window.owned.player.view())).toMatchObject({ provenance: "verified", piecesRejected: 0, swarm: { state: "on" } });
});
