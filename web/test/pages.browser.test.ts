import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Clip, makeClip } from "./support/clip.ts";
import { TestOrigin } from "./support/origin.ts";
import { TestStream } from "./support/stream.ts";
import { expectAccessible, launch, open, playing, until } from "./support/browser.ts";

let browser: Browser;
let clip: Clip;
let context: BrowserContext;
let origin: TestOrigin;
let stream: TestStream;

beforeAll(async () => {
  clip = makeClip(40);
  browser = await launch();
});
afterAll(() => browser.close());
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  origin = await TestOrigin.start();
  stream = await TestStream.of("demo", clip, { fresh_ms: 2_000 });
  origin.add(stream);
});
afterEach(async () => {
  await context.close();
  await origin.stop();
});

const link = () => `${origin.url}/live/demo#${stream.id}`;
const video = <T>(page: Page, read: (v: HTMLVideoElement) => T) => page.$eval("video", read);

describe("for everyone", () => {
  test("every state of every page is accessible and fits desktop and phone", async () => {
    const { page } = await open(context, link());
    const look = async () => {
      for (const width of [1280, 360]) {
        await page.setViewportSize({ width, height: 740 });
        expect(await page.evaluate(() => document.documentElement.scrollWidth), "fits the width").toBeLessThanOrEqual(width);
        if (width === 360 || process.env["SHOAL_SOAK"]) await expectAccessible(page); // it takes seconds
      }
    };
    await until(page, "offline", (s) => s.state === "offline");
    await look();
    stream.publish(3.3);
    await playing(page);
    await page.click("#proof summary");
    await look();
    stream.freeze();
    await page.waitForFunction(() => document.querySelector("#badge")?.textContent === "stale");
    await look();
    stream.publish();
    await until(page, "verified", (s) => s.provenance === "verified");
    origin.tamper = (m) => m.data.map((b, i) => (i === 900 ? b ^ 1 : b));
    await page.waitForFunction(() => document.querySelector("#badge")?.textContent === "broken");
    await look();
    origin.streams.clear();
    await page.reload();
    await until(page, "unknown", (s) => s.state === "unknown");
    await look();
    await page.goto(`${origin.url}/`);
    await page.waitForSelector("#empty:not([hidden])");
    await look();
    origin.add(stream);
    await page.waitForSelector(".streams a");
    await look();
    await page.goto(`${origin.url}/nowhere/at/all`);
    await look();
  });

  test("sound, volume, pause and full screen work by keyboard alone", async () => {
    stream.publish(3.3);
    const { page } = await open(context, link());
    await playing(page);
    await page.keyboard.press("m");
    expect(await video(page, (v) => v.muted)).toBe(false);
    await page.keyboard.press("ArrowDown");
    expect(await video(page, (v) => v.volume)).toBeCloseTo(0.9);
    await page.keyboard.press("m");
    expect(await video(page, (v) => v.muted)).toBe(true);
    await page.keyboard.press(" ");
    await until(page, "paused", (s) => s.state === "paused");
    await page.keyboard.press("k");
    await until(page, "playing close to live again", (s) => s.state === "playing" && s.delayMs !== null && s.delayMs < 1_500);
    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement?.id === "stage");
    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement === null);

    // Every control is reached by Tab, in the order in which it stands, and says what it does.
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    await page.evaluate(() => document.body.focus());
    const reached: string[] = [];
    for (let i = 0; i < 9; i++) {
      await page.keyboard.press("Tab");
      reached.push(await page.evaluate(() => document.activeElement?.id || (document.activeElement?.tagName.toLowerCase() ?? "")));
    }
    const controls = reached.filter((id) => ["unmute", "play", "mute", "volume", "tolive", "full"].includes(id));
    expect(controls).toEqual(expect.arrayContaining(["play", "mute", "volume", "tolive", "full"]));
    await page.focus("#mute");
    await page.keyboard.press("Enter");
    expect(await video(page, (v) => v.muted)).toBe(false);
    expect(await page.getAttribute("#mute", "aria-label")).toBe("Turn sound off");
    await page.focus("#volume");
    await page.keyboard.press("Home");
    expect(await video(page, (v) => v.muted)).toBe(true);
  });

  test("one tap turns the sound on", async () => {
    stream.publish(3.3);
    const { page } = await open(context, link());
    await playing(page);
    await page.click("#unmute");
    expect(await video(page, (v) => [v.muted, v.volume])).toEqual([false, 1]);
    expect(await page.isVisible("#unmute")).toBe(false);
  });
});

describe("the list of streams", () => {
  test("shows who is live, refreshes itself, and leads to the player", async () => {
    const { page, errors } = await open(context, `${origin.url}/`);
    await page.waitForSelector(".streams a.off");
    expect(await page.textContent("#empty")).toContain(`rtmp://127.0.0.1/live`);
    stream.publish(3.3);
    await page.waitForSelector(".streams a.on");
    expect(await page.textContent("#summary")).toBe("One stream is live.");
    expect(await page.isVisible("#empty")).toBe(false);
    await page.focus(".streams a");
    stream.end();
    await page.waitForSelector(".streams a.off");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("href"))).toBe("live/demo");
    stream.publish(3.3);
    await page.waitForSelector(".streams a.on");
    await page.click(".streams a");
    await page.waitForURL(/\/live\/demo$/);
    await until(page, "consistent: the list cannot vouch for the creator", (s) => s.provenance === "consistent");
    expect(errors).toEqual([]);
  });
});
