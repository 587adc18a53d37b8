// Other people's players, as their makers ship them, on the real binary's playlists.
// Their pages are on another origin, so the answers must also be open to all (CORS).
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, open } from "./support/browser.ts";
import { eventually, Shoal, type Stream } from "./support/shoal.ts";
import { type Kind, OtherSite, type Stock } from "./support/stock.ts";
import { watched } from "./support/watching.ts";

let browser: Browser;
let shoal: Shoal;
let site: OtherSite;
const streams = new Map<string, Stream>();

beforeAll(async () => {
  [browser, shoal, site] = await Promise.all([launch(), Shoal.start(), OtherSite.start()]);
  for (const name of ["concert", "future", "radio"]) streams.set(name, await shoal.add(name));
  shoal.ffmpeg(streams.get("concert")!, { size: "640x360", gop: 60, bframes: 2 });
  shoal.send(streams.get("future")!, { video: "av01", audio: "Opus" });
  shoal.ffmpeg(streams.get("radio")!, { video: false });
  await Promise.all([...streams.keys()].map((name) => segments(name, 3)));
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop(), site?.stop()]);
});

/** Waits until the playlist has so many whole segments: other people's players give up on one that is not there yet. */
async function segments(name: string, count: number): Promise<void> {
  const look = async () => {
    const got = await fetch(`${shoal.http}/live/${name}/v0/index.m3u8`);
    return got.ok && (await got.text()).split("#EXTINF").length > count;
  };
  await eventually(`${count} whole segments of ${name}`, look, 30_000);
}

const players: [Kind, string][] = [
  ["hls", "hls.js"],
  ["shaka", "Shaka"],
];
const cases: [string, string, [number, number]][] = [
  ["concert", "H.264 with B-frames, and AAC", [640, 360]],
  ["future", "AV1 and Opus", [320, 180]],
  ["radio", "AAC without a picture", [0, 0]],
];

for (const [kind, player] of players) {
  describe.concurrent(`${player} plays index.m3u8 from another origin, near live and without an error:`, () => {
    // In a soak each plays all; else what the other has not.
    const mine = process.env["SHOAL_SOAK"] ? cases : cases.filter((_, i) => i % players.length === players.findIndex(([k]) => k === kind));
    for (const [name, what, size] of mine) test(what, () => play(kind, player, name, size));

    test.sequential("a stream in its first seconds, with one whole segment and one that grows", async () => {
      const name = `young-${kind}`;
      const encoder = shoal.ffmpeg(await shoal.add(name), { gop: 60 });
      await segments(name, 1);
      await play(kind, player, name, [320, 180]);
      await encoder.stop();
    });
  });
}

async function play(kind: Kind, player: string, name: string, size: [number, number]): Promise<void> {
  const context = await browser.newContext();
  const { page, errors } = await open(context, site.url(kind, `${shoal.http}/live/${name}/index.m3u8`), /(?!)/);
  const errorsOf = () => page.evaluate(() => (window as unknown as { stock: Stock }).stock.errors);
  await eventually(`${player} to play`, async () => {
    const said = await errorsOf();
    if (said.length > 0) throw new Error(said.join("\n"));
    return page.evaluate(() => document.querySelector("video")!.currentTime > 0 && document.querySelector("video")!.readyState > 2);
  });
  const saw = await watched(page, 6);
  expect(await errorsOf()).toEqual([]);
  expect(errors).toEqual([]);
  expect(await page.evaluate(() => [document.querySelector("video")!.videoWidth, document.querySelector("video")!.videoHeight])).toEqual(size);
  expect(saw.tookMs).toBeLessThan(10_000);
  const latency = await page.evaluate(() => (window as unknown as { stock: Stock }).stock.latency());
  expect(latency).toBeGreaterThan(0);
  expect(latency).toBeLessThan(6); // seconds; a player that ignored the parts would be 8 s behind or more
  await context.close();
}
