// Tabs and native viewers in one swarm, all of it real: the binary, ffmpeg, Chromium, WebRTC and TCP.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Stats } from "../player/stats.ts";
import { launch, open } from "./support/browser.ts";
import { eventually, Shoal, swarming, type Viewer } from "./support/shoal.ts";

let browser: Browser;
let shoal: Shoal;

beforeAll(async () => {
  [browser, shoal] = await Promise.all([
    launch(["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]),
    Shoal.start(swarming),
  ]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop()]);
});

const all = (s: Stats) => s.bytes.peer + s.bytes.seed + s.bytes.edge + s.bytes.origin;
const sum = (list: Stats[], of: (s: Stats) => number) => list.reduce((n, s) => n + of(s), 0);

test("six tabs and two native viewers take most of a stream from each other, and everything that they play is verified", async () => {
  const stream = await shoal.add("concert");
  const encoder = shoal.ffmpeg(stream);
  // They have room for one viewer each, so tabs have to give to most.
  const native: Viewer[] = [1, 2].map(() => shoal.watch(stream, 90, "--up=1Mbit"));
  const tabs: { page: Page; errors: string[] }[] = [];
  for (let i = 0; i < 6; i++) tabs.push(await open(await browser.newContext(), stream.watch_url));
  const now = async (): Promise<Stats[]> => {
    const web = await Promise.all(tabs.map(({ page }) => page.evaluate(() => window.shoal.stats())));
    return [...web, ...native.map((v) => v.now()).filter((s) => s !== null)];
  };
  await eventually("all to be in the swarm", async () => (await now()).filter((s) => s.peers >= 2 && s.bytes.peer + s.bytes.seed > 0).length === 8, 40_000);

  // Who has just come takes more from seeds: it is to become so, and stay so while 6 MB are played.
  let [before, gave] = [await now(), await shoal.gave()];
  const seen = await eventually("them to play 6 MB, of which seeds and origin gave at most 40 % and other viewers more than half", async () => {
    const found = await now();
    const played = sum(found, all) - sum(before, all);
    if (played < 6_000_000) return null;
    const given = await shoal.gave();
    // 7/8 is the most possible
    if (given - gave < 0.4 * played && sum(found, (s) => s.bytes.peer) - sum(before, (s) => s.bytes.peer) > played / 2) return found;
    [before, gave] = [found, given];
    return null;
  }, 60_000);
  for (const s of seen) expect(s).toMatchObject({ state: "verified", pieces_rejected: 0, blocks_rejected: 0 });
  expect(sum(seen.slice(0, 6), (s) => s.upload) - sum(before.slice(0, 6), (s) => s.upload)).toBeGreaterThan(0);
  for (const { errors } of tabs) expect(errors).toEqual([]);
  // What comes after them is about one tab, on a machine that has time for it.
  await Promise.all([encoder.stop(), ...native.map((v) => v.stop()), ...tabs.map(({ page }) => page.context().close())]);
});

test("entries come to a page over NATS at first, and no longer once gossip is on time", async () => {
  const stream = await shoal.add("talk");
  shoal.ffmpeg(stream);
  const context = await browser.newContext();
  const said: string[] = []; // SUB and UNSUB of entries by the page, MSG with one by the bus; reports and their receipts apart
  let sid = "";
  const note = (frame: string | Buffer) => {
    for (const [, verb, first, second] of frame.toString("latin1").matchAll(/^(SUB|UNSUB|MSG) (\S+)(?: (\S+))?/gm)) {
      if (verb === "SUB" && first!.startsWith("shoal.manifest.")) sid = second!;
      if (verb === "UNSUB" ? first === sid : first!.startsWith("shoal.manifest.")) said.push(verb!);
    }
  };
  context.on("page", (p) =>
    p.on("websocket", (ws) => {
      if (!new URL(ws.url()).pathname.endsWith("/nats")) return;
      ws.on("framesent", (f) => note(f.payload));
      ws.on("framereceived", (f) => note(f.payload));
    }),
  );
  const { page, errors } = await open(context, stream.watch_url);
  await eventually("entries to come over NATS", async () => said.filter((s) => s === "MSG").length >= 2, 20_000);
  expect(said[0]).toBe("SUB");
  const verified = () => page.evaluate(() => window.shoal.stats().pieces_verified);
  let quiet: { since: number; from: number } | null = null;
  await eventually("pieces to be played of which nobody heard over NATS", async () => {
    if (said.at(-1) !== "UNSUB") quiet = null;
    else if (quiet?.since !== said.length) quiet = { since: said.length, from: await verified() };
    return quiet !== null && (await verified()) > quiet.from + 15;
  }, 60_000);
  expect(await page.evaluate(() => window.shoal.stats())).toMatchObject({ state: "verified", pieces_rejected: 0 });
  expect(errors).toEqual([]);
  await context.close();
});
