// The page goes on by itself, without a reload, after what goes wrong in practice.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, until } from "./support/browser.ts";
import { Shoal } from "./support/shoal.ts";
import { plays, viewing } from "./support/watching.ts";

let browser: Browser;
let shoal: Shoal;

beforeAll(async () => {
  [browser, shoal] = await Promise.all([launch(), Shoal.start()]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop()]);
});

describe.concurrent("the page goes on after", () => {
  test("an encoder that is killed and comes back", async () => {
    const s = await shoal.add("encoder");
    const first = shoal.ffmpeg(s);
    await viewing(browser, s.watch_url, async (page) => {
      const before = await plays(page, s, 1);
      await first.stop();
      await until(page, "offline", (s) => s.state === "offline");
      expect(await page.textContent("#notice-title")).toBe("encoder is offline");
      const second = shoal.ffmpeg(s);
      const after = await plays(page, s, 2);
      expect(after.epoch).toBeGreaterThan(before.epoch!);
      expect(after.piecesVerified).toBeGreaterThan(before.piecesVerified);
      await second.stop();
    });
  });

  test("an encoder that hangs for two seconds, and comes close to live again", async () => {
    const s = await shoal.add("hiccup");
    const encoder = shoal.ffmpeg(s);
    await viewing(browser, s.watch_url, async (page) => {
      const before = await plays(page, s, 2);
      await encoder.hang(2_000);
      const after = await until(page, "past the pause", (s) => (s.n ?? 0) > before.n! + 15, 20_000);
      expect(after.epoch).toBe(before.epoch);
      await plays(page, s, 1);
      await until(page, "less behind than the pause was long", (s) => s.delayMs !== null && s.delayMs < 1_800);
    });
    await encoder.stop();
  });
});

describe("the page goes on after kill -9 of shoal, which starts again on the same ports:", () => {
  test("a viewer who saw that the server was gone", async () => {
    const s = await shoal.add("power");
    const first = shoal.ffmpeg(s);
    await viewing(browser, s.watch_url, async (page) => {
      const before = await plays(page, s, 2);
      await shoal.kill();
      await until(page, "unreachable", (s) => s.state === "unreachable", 25_000);
      expect(await page.textContent("#notice-title")).toBe("This server does not answer");
      await first.stop();
      await shoal.up();
      const second = shoal.ffmpeg(s);
      await until(page, "in the next epoch", (s) => s.state === "playing" && s.epoch !== null && s.epoch > before.epoch!, 25_000);
      await plays(page, s, 2);
      await second.stop();
    });
  });

  test("a server and an encoder that are back at once", async () => {
    const s = await shoal.add("blink");
    const first = shoal.ffmpeg(s);
    await viewing(browser, s.watch_url, async (page) => {
      const before = await plays(page, s, 2);
      await shoal.kill();
      await shoal.up();
      await first.stop();
      const second = shoal.ffmpeg(s);
      await until(page, "in the next epoch", (s) => s.state === "playing" && s.epoch !== null && s.epoch > before.epoch!, 20_000);
      await plays(page, s, 2);
      await second.stop();
    });
  });
});
