// The choice of a quality among the controls.
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { expectAccessible, launch, open, playing, stats, until } from "./support/browser.ts";
import { type Clip, makeClip } from "./support/clip.ts";
import { TestOrigin } from "./support/origin.ts";
import { eventually } from "./support/shoal.ts";
import { TestStream } from "./support/stream.ts";

let browser: Browser;
let clips: Record<"v0" | "v1", Clip>;
let context: BrowserContext;
let origin: TestOrigin;

beforeAll(async () => {
  clips = { v0: makeClip(30), v1: makeClip(30, "testsrc2=size=320x180:rate=30", "200k") };
  browser = await launch();
});
afterAll(() => browser.close());
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  origin = await TestOrigin.start();
});
afterEach(async () => {
  await context.close();
  await origin.stop();
});

async function begin(more: Record<string, Clip>): Promise<TestStream> {
  const stream = await TestStream.of("demo", clips.v0, {}, more);
  origin.add(stream);
  stream.publish(3.3);
  return stream;
}

test("a viewer chooses by keyboard, sees what was chosen, and finds it again when the stream comes back", async () => {
  const stream = await begin({ v1: clips.v1 });
  const { page, errors } = await open(context, `${origin.url}/live/demo#${stream.id}`);
  await playing(page);
  const chosen = () => page.$eval("#rendition", (s) => (s as HTMLSelectElement).selectedOptions[0]!.textContent);
  await eventually("the height to be told", async () => (await chosen()) === "Auto (360p)");
  await page.focus("#rendition");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  expect(await chosen()).toBe("180p");
  await until(page, "smaller", (v) => v.height === 180 && v.quality === "v1");
  expect(await page.$$eval("#rendition option", (all) => all.map((o) => o.textContent))).toEqual(["Auto", "360p", "180p"]);
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 740 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth), "fits the width").toBeLessThanOrEqual(width);
    await expectAccessible(page);
  }
  stream.end();
  await until(page, "offline", (v) => v.state === "offline");
  expect((await stats(page)).quality).toBe("v1");
  stream.publish(3.3);
  await until(page, "as chosen", (v) => v.state === "playing" && v.height === 180 && v.quality === "v1");
  await page.selectOption("#rendition", "");
  await until(page, "left to the player", (v) => v.quality === null);
  expect(errors).toEqual([]);
});

test("nobody is asked to choose where there is nothing to choose from", async () => {
  const stream = await begin({});
  const { page } = await open(context, `${origin.url}/live/demo#${stream.id}`);
  await playing(page);
  expect(await page.isVisible("#rendition")).toBe(false);
});
