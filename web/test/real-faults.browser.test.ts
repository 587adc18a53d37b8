// The page goes on by itself, without a reload, after what goes wrong in practice.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { launch, open, until } from "./support/browser.ts";
import { Shoal } from "./support/shoal.ts";
import { plays } from "./support/watching.ts";

let browser: Browser;
let context: BrowserContext;
let shoal: Shoal;

beforeAll(async () => {
  [browser, shoal] = await Promise.all([launch(), Shoal.start()]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop()]);
});
beforeEach(async () => {
  context = await browser.newContext();
});
afterEach(() => context.close());

/** Opens a page that can tell whether it was loaded anew. */
async function once(url: string): Promise<{ page: Page; errors: string[]; loads: () => number }> {
  let loads = 0;
  context.on("page", (page) => page.on("load", () => loads++));
  return { ...(await open(context, url)), loads: () => loads };
}

test("an encoder that is killed and comes back", async () => {
  const s = await shoal.add("encoder");
  const first = shoal.ffmpeg(s);
  const { page, errors, loads } = await once(s.watch_url);
  const before = await plays(page, s, 1);
  await first.stop();
  await until(page, "offline", (s) => s.state === "offline");
  expect(await page.textContent("#notice-title")).toBe("encoder is offline");
  shoal.ffmpeg(s);
  const after = await plays(page, s, 2);
  expect(after.epoch).toBeGreaterThan(before.epoch!);
  expect(after.piecesVerified).toBeGreaterThan(before.piecesVerified);
  expect(loads()).toBe(1);
  expect(errors).toEqual([]);
});

test("an encoder that hangs for two seconds", async () => {
  const s = await shoal.add("hiccup");
  const encoder = shoal.ffmpeg(s);
  const { page, errors, loads } = await once(s.watch_url);
  const before = await plays(page, s, 2);
  await encoder.hang(2_000);
  const last = await until(page, "past the pause", (s) => (s.n ?? 0) > before.n! + 15, 20_000);
  expect(last.epoch).toBe(before.epoch);
  await plays(page, s, 2);
  await until(page, "close to live again", (s) => s.delayMs !== null && s.delayMs < 1_500);
  expect(loads()).toBe(1);
  expect(errors).toEqual([]);
});

test("kill -9 of shoal, which is started again on the same ports", async () => {
  const s = await shoal.add("power");
  const first = shoal.ffmpeg(s);
  const { page, errors, loads } = await once(s.watch_url);
  const before = await plays(page, s, 2);
  await shoal.kill();
  await until(page, "unreachable", (s) => s.state === "unreachable", 25_000);
  await first.stop();
  await shoal.up();
  shoal.ffmpeg(s);
  const after = await until(page, "in the next epoch", (s) => s.state === "playing" && s.epoch !== null && s.epoch > before.epoch!, 25_000);
  expect(after.provenance).toBe("verified");
  await plays(page, s, 2);
  expect(loads()).toBe(1);
  expect(errors).toEqual([]);
});

test("kill -9 of shoal while nobody looks: an encoder that is back at once, and a viewer who notices little", async () => {
  const s = await shoal.add("blink");
  const first = shoal.ffmpeg(s);
  const { page, errors, loads } = await once(s.watch_url);
  const before = await plays(page, s, 2);
  await shoal.kill();
  await shoal.up();
  shoal.ffmpeg(s);
  await first.stop();
  await until(page, "in the next epoch", (s) => s.state === "playing" && s.epoch !== null && s.epoch > before.epoch!, 20_000);
  await plays(page, s, 2);
  expect(loads()).toBe(1);
  expect(errors).toEqual([]);
});
