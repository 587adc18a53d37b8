// A page with a Shaka player of its own, to which Shoal is added, on the real binary.
import { resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, open } from "./support/browser.ts";
import { serveScript } from "./support/bundle.ts";
import { eventually, Shoal, swarming, type Stream } from "./support/shoal.ts";
import { watched } from "./support/watching.ts";

let browser: Browser;
let shoal: Shoal;
let site: Awaited<ReturnType<typeof serveScript>>;
let stream: Stream;

beforeAll(async () => {
  const withPages = launch(["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]);
  [browser, site] = await Promise.all([withPages, serveScript(resolve(import.meta.dirname, "support/pages/own-shaka.ts"))]);
  shoal = await Shoal.start([...swarming, `--allow-origins=${new URL(site.url).origin}`]);
  stream = await shoal.add("concert");
  shoal.ffmpeg(stream, { gop: 30 });
  await eventually("the stream to be live", async () => (await (await fetch(`${shoal.http}/live/concert/v0/index.m3u8`)).text()).includes("#EXTINF"), 30_000);
});
afterAll(() => Promise.all([browser?.close(), shoal?.stop(), site?.stop()]));

const look = (page: Page) => page.evaluate(() => ({ ...window.shakaOwned.player.view(), heard: window.shakaOwned.heard }));

test("Shaka plays the stream near live, verified and by the swarm, asks no server for a media playlist, and is given back as it was", async () => {
  const asked: string[] = [];
  const context = await browser.newContext();
  context.on("request", (r) => asked.push(new URL(r.url()).pathname));
  const { page, errors } = await open(context, `${site.url}?link=${encodeURIComponent(stream.watch_url)}`);
  await page.waitForFunction(() => window.shakaOwned.player.verdict().state === "verified" && window.shakaOwned.video.currentTime > 0);
  await page.evaluate(() => window.shakaOwned.player.choose("share"));
  await watched(page, 6);
  const now = await look(page);
  expect(now).toMatchObject({ state: "playing", provenance: "verified", piecesRejected: 0, width: 320, height: 180 });
  expect(now.delayMs).toBeGreaterThan(0);
  expect(now.delayMs).toBeLessThan(2_500);
  expect(now.heard.filter((h) => h.startsWith("error"))).toEqual([]);
  expect(asked.filter((a) => /\/v\d\/index\.m3u8/.test(a))).toEqual([]);
  await page.waitForFunction(() => window.shakaOwned.player.view().swarm.bytes.seed > 0, undefined, { timeout: 10_000 });
  await page.evaluate(() => window.shakaOwned.player.destroy());
  await page.waitForFunction(() => window.shakaOwned.video.readyState === 0);
  expect(await page.evaluate(() => window.shakaOwned.shaka.getConfiguration().streaming.liveSync.enabled)).toBe(false);
  expect(errors).toEqual([]);
  await context.close();
});
