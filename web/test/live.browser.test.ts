import { networkInterfaces } from "node:os";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Clip, makeClip } from "./support/clip.ts";
import { entryHeader, TestOrigin } from "./support/origin.ts";
import { TestStream } from "./support/stream.ts";
import { launch, open, playing, stats, until } from "./support/browser.ts";

let browser: Browser;
let clip: Clip;
let context: BrowserContext;
let origin: TestOrigin;
let stream: TestStream;

beforeAll(async () => {
  clip = makeClip(60);
  browser = await launch();
});
afterAll(() => browser.close());
beforeEach(async () => {
  context = await browser.newContext();
  origin = await TestOrigin.start();
  stream = await TestStream.of("demo", clip, { fresh_ms: 2_000 });
  origin.add(stream);
});
afterEach(async () => {
  await context.close();
  await origin.stop();
});

const link = () => `${origin.url}/live/demo#${stream.id}`;
const plainLink = () => `${origin.url}/live/demo`;

describe("watching", () => {
  test("plays muted at once, close to live, and says verified when the link names the stream", async () => {
    stream.publish(10.4);
    const { page, errors } = await open(context, link());
    await playing(page);
    const s = await until(page, "verified", (s) => s.provenance === "verified" && s.piecesVerified > 10);
    expect(s).toMatchObject({ streamId: stream.id, piecesRejected: 0, engine: "webcrypto", width: 640, height: 360 });
    expect(s.delayMs).toBeGreaterThan(100);
    await until(page, "close to live", (s) => s.delayMs !== null && s.delayMs < 800);
    expect(await page.evaluate(() => document.querySelector("video")!.muted)).toBe(true);
    expect(await page.textContent("#badge")).toBe("verified");
    expect(await page.textContent("#key")).toMatch(/^([0-9a-f]{4} ){7}[0-9a-f]{4}$/);
    expect(await page.textContent("#quality")).toMatch(/640 × 360 · \d+ kbit\/s/);
    expect(await page.textContent("#delay")).toMatch(/^\d\.\d s$/);
    expect(errors).toEqual([]);
  });

  test("an offline stream has a card, and the page starts by itself when it goes live", async () => {
    const { page } = await open(context, link());
    await until(page, "offline", (s) => s.state === "offline");
    expect(await page.textContent("#notice-title")).toBe("demo is offline");
    stream.publish();
    await playing(page);
    expect(await page.isVisible("#overlay")).toBe(false);
    stream.end();
    await until(page, "offline again", (s) => s.state === "offline");
    expect(await page.textContent("#say")).toBe("demo is offline");
    stream.publish();
    const s = await until(page, "in the next epoch", (s) => s.state === "playing" && s.epoch === stream.epoch);
    expect(s.provenance).toBe("verified");
  });

  test("a publisher that reconnects at once goes on without a reload", async () => {
    stream.publish(5.3);
    const { page } = await open(context, link());
    await playing(page);
    stream.freeze();
    stream.publish();
    const s = await until(page, "in the next epoch", (s) => s.state === "playing" && s.epoch === stream.epoch);
    expect(s.provenance).toBe("verified");
    await until(page, "close to live again", (s) => s.delayMs !== null && s.delayMs < 1_000);
  });

  test("an unknown name and a silent server have cards, and the page starts when that changes", async () => {
    origin.streams.clear();
    const { page } = await open(context, link());
    await until(page, "unknown", (s) => s.state === "unknown");
    origin.down = true;
    await until(page, "unreachable", (s) => s.state === "unreachable");
    origin.down = false;
    origin.add(stream);
    stream.publish(3.3);
    await playing(page);
  });

  test("a piece that the server keeps silent about is asked for again once what follows is here", async () => {
    stream.publish(4.3);
    const { page } = await open(context, link());
    await playing(page);
    const silent = stream.made.at(-1)!.entry.n + 5;
    let ahead = 0; // the furthest that was asked for until then
    origin.hang = (m, times) => {
      if (m.entry.n !== silent) return false;
      if (times === 2) ahead = Math.max(...origin.asked.map((a) => Number(/\/(\d+)\.m4s$/.exec(a)?.[1] ?? 0)));
      return times === 1;
    };
    await until(page, "past it", (s) => (s.n ?? 0) > silent);
    expect(Date.now() - stream.find(stream.epoch, silent)!.entry.at).toBeLessThan(4_000);
    expect(ahead).toBeGreaterThan(silent);
    expect(ahead).toBeLessThanOrEqual(silent + 4); // what is waited for comes before what is ahead of it
    const s = await until(page, "going on", (s) => (s.n ?? 0) > silent + 5);
    expect(s).toMatchObject({ provenance: "verified", piecesRejected: 0, stalls: 1 });
    await until(page, "close to live again", (s) => s.delayMs !== null && s.delayMs < 1_200);
  });

  test("two seconds that never come are left out: the picture goes on at a keyframe behind them", async () => {
    stream.publish(4.3);
    const { page } = await open(context, link());
    await playing(page);
    const lost = stream.made.at(-1)!.entry.n + 5;
    origin.hang = (m) => m.entry.n >= lost && m.entry.n < lost + 10;
    await until(page, "behind them", (s) => (s.n ?? 0) >= lost + 10);
    expect(Date.now() - stream.find(stream.epoch, lost)!.entry.at).toBeLessThan(8_000);
    const s = await until(page, "close to live again", (s) => s.delayMs !== null && s.delayMs < 1_500);
    expect(s).toMatchObject({ provenance: "verified", piecesRejected: 0 });
    expect(s.stalls).toBeGreaterThan(0);
  });

  test("keys that change in mid-stream are not noticed by anyone", async () => {
    stream.publish(4.3);
    const { page } = await open(context, link());
    await playing(page);
    stream.rotate();
    const from = stream.made.at(-1)!.entry.n;
    const s = await until(page, "past the change", (s) => (s.n ?? 0) > from + 5);
    expect(s).toMatchObject({ provenance: "verified", piecesRejected: 0, stalls: 0 });
  });

  test("on a plain http address that is not this machine's loopback, signatures are checked all the same", async () => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((i) => i && !i.internal && i.family === "IPv4")?.address;
    if (!address) throw new Error("this test needs a network interface besides loopback, with an IPv4 address");
    const outside = await TestOrigin.start(address);
    try {
      outside.add(stream);
      stream.publish(4.3);
      const { page, errors } = await open(context, `${outside.url}/live/demo#${stream.id}`);
      expect(await page.evaluate(() => [isSecureContext, typeof crypto.subtle])).toEqual([false, "undefined"]);
      await playing(page);
      expect(await stats(page)).toMatchObject({ provenance: "verified", engine: "noble", piecesRejected: 0 });
      const bad = stream.made.at(-1)!.entry.n + 5;
      outside.tamper = (m) => (m.entry.n === bad ? m.data.map((b, i) => (i === m.data.length - 9 ? b ^ 1 : b)) : m.data);
      await until(page, "broken", (s) => s.provenance === "broken");
      expect(errors).toEqual([]);
    } finally {
      await outside.stop();
    }
  });
});

describe("not being deceived", () => {
  test("without a stream id in the link: consistent, and the first key is remembered", async () => {
    stream.publish(4.3);
    const { page } = await open(context, plainLink());
    const first = await until(page, "consistent", (s) => s.provenance === "consistent");
    await page.reload();
    await until(page, "consistent again", (s) => s.provenance === "consistent");

    const usurper = await TestStream.of("demo", clip);
    origin.add(usurper);
    usurper.publish(4.3);
    await page.reload();
    const s = await until(page, "broken", (s) => s.provenance === "broken");
    expect(s).toMatchObject({ state: "broken", piecesVerified: 0 });
    const card = (await page.textContent("#overlay")) ?? "";
    expect(card).toContain(first.key);
    expect(card).toContain(s.key);

    // The creator's own link settles it.
    await page.goto(`${plainLink()}#${usurper.id}`);
    await until(page, "verified", (s) => s.provenance === "verified");
    await page.goto(plainLink());
    await page.reload();
    await until(page, "consistent with the new key", (s) => s.provenance === "consistent");
    usurper.end();
  });

  test("the viewer can say that the new key is right", async () => {
    stream.publish(4.3);
    const { page } = await open(context, plainLink());
    await until(page, "consistent", (s) => s.provenance === "consistent");
    const next = await TestStream.of("demo", clip);
    origin.add(next);
    next.publish(4.3);
    await page.reload();
    await until(page, "broken", (s) => s.provenance === "broken");
    await page.click("#trust");
    await until(page, "consistent", (s) => s.provenance === "consistent" && s.streamId === next.id);
    next.end();
  });

  test("a link to another stream id is refused before a byte of media is fetched", async () => {
    stream.publish(4.3);
    const { page } = await open(context, `${plainLink()}#${"a".repeat(32)}`);
    const s = await until(page, "broken", (s) => s.provenance === "broken");
    expect(s.piecesVerified).toBe(0);
    expect(origin.asked.filter((a) => /\.(m4s|mp4|m3u8)/.test(a))).toEqual([]);
    expect(await page.textContent("#overlay")).toContain("a".repeat(32));
    expect(await page.isVisible("#retry")).toBe(false);
  });

  /** Remembers whether bytes that end in the forger's mark were ever handed to the decoder. */
  const watchAppends = () =>
    context.addInitScript(() => {
      const append = SourceBuffer.prototype.appendBuffer;
      Object.assign(window, { forgeries: 0, appends: 0 });
      SourceBuffer.prototype.appendBuffer = function (data) {
        const b = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
        const seen = window as unknown as { forgeries: number; appends: number };
        seen.appends++;
        if (b.subarray(-16).every((v) => v === 0xee)) seen.forgeries++;
        append.call(this, data);
      };
    });
  const forge = (data: Uint8Array) => data.map((b, i) => (i >= data.length - 16 ? 0xee : b));
  test("the forger's mark is seen where nothing is checked: the test can fail", async () => {
    await watchAppends();
    stream.publish(4.3);
    const { page } = await open(context, link());
    await playing(page);
    await page.evaluate(() => {
      const media = new MediaSource();
      const v = document.createElement("video");
      v.src = URL.createObjectURL(media);
      return new Promise<void>((done) =>
        media.addEventListener("sourceopen", () => {
          media.addSourceBuffer('video/mp4; codecs="avc1.42c01e"').appendBuffer(new Uint8Array(20).fill(0xee));
          done();
        }),
      );
    });
    expect(await page.evaluate(() => (window as unknown as { forgeries: number }).forgeries)).toBe(1);
  });

  test("a forged piece is never played: one bad copy is replaced, two break the proof", async () => {
    await watchAppends();
    stream.publish(4.3);
    const once = stream.made.at(-1)!.entry.n + 10; // by then the page has joined, however busy the machine is
    const always = once + 10;
    origin.tamper = (m, times) => ((m.entry.n === once && times === 1) || m.entry.n === always ? forge(m.data) : m.data);
    const { page } = await open(context, link());
    await playing(page);
    await until(page, "past the replaced one", (s) => (s.n ?? 0) > once && s.piecesRejected === 1 && s.provenance === "verified");
    const s = await until(page, "broken", (s) => s.provenance === "broken");
    expect(s.piecesRejected).toBe(3);
    const seen = await page.evaluate(() => {
      const { forgeries, appends } = window as unknown as { forgeries: number; appends: number };
      return { forgeries, appends, shown: document.querySelector("video")!.readyState };
    });
    expect(seen.appends).toBeGreaterThan(10);
    expect(seen.forgeries).toBe(0);
    expect(seen.shown).toBe(0);
    expect(await page.textContent("#notice-title")).toBe("Not played: the proof is broken");
    origin.tamper = null;
    await page.click("#retry");
    await playing(page);
  });

  test("entries by a stranger's key, or of older pieces, break the proof", async () => {
    stream.publish(6.3);
    const stranger = await TestStream.of("demo", clip);
    stranger.publish(12);
    for (const lie of [
      (n: number) => entryHeader(stranger.made[n % stranger.made.length]!),
      (n: number) => entryHeader(stream.find(stream.epoch, n - 5)!),
    ]) {
      const { page } = await open(context, link());
      await playing(page);
      origin.header = (m) => lie(m.entry.n);
      await until(page, "broken", (s) => s.provenance === "broken");
      origin.header = null;
      await page.close();
    }
    stranger.end();
  });

  for (const hours of [-1, 1]) {
    test(`stale is judged by the server's time, with the viewer's clock ${hours} h off`, async () => {
      await context.addInitScript((off) => {
        const Real = Date;
        const now = () => Real.now() + off;
        window.Date = class extends Real {
          constructor(...args: []) {
            super(...((args.length ? args : [now()]) as []));
          }
          static override now = now;
        } as DateConstructor;
      }, hours * 3_600_000);
      stream.publish(4.3);
      const { page } = await open(context, link());
      await playing(page);
      expect(Math.abs((await page.evaluate(() => Date.now())) - Date.now() - hours * 3_600_000)).toBeLessThan(5_000);
      const fresh = await until(page, "verified", (s) => s.provenance === "verified" && s.delayMs !== null);
      expect(Math.abs(fresh.delayMs!)).toBeLessThan(2_000);
      stream.freeze();
      const frozen = Date.now();
      await until(page, "stale", (s) => s.provenance === "stale");
      expect(Date.now() - frozen).toBeGreaterThan(1_000);
      expect((await stats(page)).state).not.toBe("broken");
      stream.publish();
      await until(page, "fresh again", (s) => s.provenance === "verified" && s.epoch === stream.epoch);
    });
  }
});
