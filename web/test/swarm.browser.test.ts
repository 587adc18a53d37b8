// What the page does for the swarm and shows of it: asked first, changeable, visible.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { expectAccessible, launch, open, playing } from "./support/browser.ts";
import { type Clip, makeClip } from "./support/clip.ts";
import { TestOrigin } from "./support/origin.ts";
import { TestStream } from "./support/stream.ts";
import { swarming } from "./support/view.ts";
import type { View } from "../player/view.ts";

let browser: Browser;
let clip: Clip;
let context: BrowserContext;
let origin: TestOrigin;
let stream: TestStream;

beforeAll(async () => {
  clip = makeClip(20);
  browser = await launch();
});
afterAll(() => browser.close());
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  origin = await TestOrigin.start();
  origin.swarm = { consent: "ask", relay: true, trackers: [`${origin.url.replace("http", "ws")}/announce`] };
  stream = await TestStream.of("demo", clip);
  origin.add(stream);
  stream.publish(3.3);
});
afterEach(async () => {
  await context.close();
  await origin.stop();
});

const link = () => `${origin.url}/live/demo#${stream.id}`;
const view = (page: Page) => page.evaluate(() => window.shoal.view());

/** Has the page draw a swarm that is made up; the picture, the proof and the delay stay what they are. */
async function pretend(page: Page, more: Partial<View> = {}): Promise<void> {
  await page.evaluate((fake) => {
    const { player } = window.shoal;
    const real = player.view.bind(player);
    player.view = () => ({ ...real(), ...(JSON.parse(fake) as object) });
  }, JSON.stringify({ ...swarming({} as View), ...more }));
}

describe("consent", () => {
  test("until the viewer chooses, the page plays from its server and speaks to nobody else", async () => {
    await context.addInitScript(() => {
      const met: string[] = [];
      Object.assign(window, { met });
      for (const name of ["RTCPeerConnection", "WebSocket"] as const) {
        const real = window[name] as new (...of: never[]) => object;
        Object.assign(window, {
          [name]: class extends real {
            constructor(...of: never[]) {
              met.push(name);
              super(...of);
            }
          },
        });
      }
    });
    const elsewhere: string[] = [];
    context.on("request", (r) => !r.url().startsWith(`${origin.url}/`) && elsewhere.push(r.url()));
    const { page, errors } = await open(context, link());
    await playing(page);
    await page.waitForSelector("#ask");
    await page.waitForFunction(() => window.shoal.stats().pieces_verified > 10);
    expect(await view(page)).toMatchObject({ mode: "edge", chosen: null, ask: true, swarm: { state: "off", peers: [], uploaded: 0, bytes: { peer: 0, seed: 0, edge: 0 } } });
    expect(await page.evaluate(() => (window as unknown as { met: string[] }).met)).toEqual([]);
    expect(elsewhere).toEqual([]);
    expect(origin.asked.filter((a) => /announce|nats|pass/.test(a))).toEqual([]);
    expect(errors).toEqual([]);
  });

  test("the choice is made once, by keyboard too, is remembered for the server, and can be changed", async () => {
    const { page } = await open(context, link());
    await playing(page);
    await page.focus(".choice[data-mode=share]");
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("data-mode"))).toBe("download");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#ask", { state: "hidden" });
    expect(await view(page)).toMatchObject({ mode: "download", chosen: "download" });
    expect(await page.evaluate(() => document.activeElement?.id), "the focus is where it can be changed").toBe("swarm-open");
    expect(await page.textContent("#say")).toContain("You can change it");

    await page.reload();
    await playing(page);
    expect(await view(page)).toMatchObject({ mode: "download", ask: false });
    expect(await page.isVisible("#ask")).toBe(false);
    await page.focus("#swarm-open");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#swarm-inside");
    expect(await page.isDisabled("#up-cap"), "who gives nothing needs no cap").toBe(true);
    await page.focus("input[value=download]");
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction(() => window.shoal.view().mode === "share");
    await page.selectOption("#up-cap", "2000000");
    expect(await view(page)).toMatchObject({ chosen: "share", upCap: 2e6 });
    expect(await page.evaluate(() => window.shoal.player.allowed().up)).toBe(2e6);
    await page.reload();
    await playing(page);
    expect(await view(page)).toMatchObject({ mode: "share", upCap: 2e6 });
  });

  test("what is done for the swarm is done off the main thread", async () => {
    const { page } = await open(context, link());
    await playing(page);
    await page.click(".choice[data-mode=share]");
    await expect.poll(() => page.workers().length, { timeout: 10_000 }).toBe(1);
  });

  test("where nothing can be stored, the choice holds for the visit", async () => {
    await context.addInitScript(() => {
      Object.defineProperty(window, "localStorage", {
        get() {
          throw new DOMException("denied", "SecurityError");
        },
      });
    });
    const { page, errors } = await open(context, link(), /WebSocket/); // there is no tracker here
    await playing(page);
    await page.click(".choice[data-mode=share]");
    await page.waitForFunction(() => window.shoal.view().mode === "share");
    expect(errors).toEqual([]);
  });

  test("a sensitive stream offers no sharing at all, and says why", async () => {
    origin.swarm = { consent: "share", sensitive: true };
    const { page } = await open(context, link());
    await playing(page);
    await page.click("#swarm-open");
    await page.waitForSelector(".remark");
    expect(await page.textContent(".remark")).toContain("sensitive");
    expect(await page.isVisible("#ask")).toBe(false);
    expect(await page.isVisible(".part")).toBe(false);
    expect(await view(page)).toMatchObject({ mode: "edge", limit: "sensitive", most: "edge" });
  });

  test("a server without a swarm for pages asks nothing", async () => {
    origin.swarm = {};
    const { page } = await open(context, link());
    await playing(page);
    await page.waitForFunction(() => window.shoal.stats().pieces_verified > 5);
    expect(await page.isVisible("#ask")).toBe(false);
  });

  test("on a connection that saves data sharing rests, and the choice is kept for better times", async () => {
    await context.addInitScript(() => Object.defineProperty(navigator, "connection", { value: Object.assign(new EventTarget(), { saveData: true }) }));
    const { page } = await open(context, link());
    await playing(page);
    await page.click(".choice[data-mode=share]");
    await page.click("#swarm-open");
    await page.waitForSelector(".remark");
    expect(await page.textContent(".remark")).toContain("metered");
    expect(await view(page)).toMatchObject({ mode: "edge", chosen: "share", limit: "metered" });
    expect(await page.isChecked("input[value=share]")).toBe(true);
  });
});

describe("the panel", () => {
  test("says in words, in a chart, in a picture and in a table where the stream comes from", async () => {
    const { page, errors } = await open(context, link());
    await playing(page);
    await pretend(page);
    await page.click("#sources");
    await page.waitForSelector(".node.seed");
    expect(await page.textContent(".sum")).toMatch(/^\d\d % of the last minute came from 5 other viewers; you gave 41 MB\.$/);
    expect(await page.textContent("#share-of-peers")).toMatch(/^\d\d %$/);
    expect(await page.locator(".node").count()).toBe(8); // five viewers, a seed, an edge and the origin
    expect(await page.getAttribute(".bars", "aria-label")).toMatch(/Viewers \d+ %, Seeds \d+ %, Edges \d+ %, Origin \d+ %\. Given: /);
    expect(await page.locator(".bars path[d^=M]").count()).toBe(5);

    // From one to the next by arrow keys; the arrows change no volume meanwhile.
    await page.focus(".node[tabindex='0']");
    const labels = new Set<string>();
    for (let i = 0; i < 8; i++) {
      labels.add((await page.textContent(".label text"))!);
      expect(await page.isVisible(".label")).toBe(true);
      await page.keyboard.press("ArrowRight");
    }
    expect(labels.size).toBe(8);
    expect([...labels].join()).toContain("viewer 4 · 74 ms · ↓ 220 kbit/s · ↑ 0 · by relay");
    expect(await page.$eval("video", (v) => (v as HTMLVideoElement).volume)).toBe(1);
    await page.hover(".node.edge");
    expect(await page.textContent(".label text")).toContain("edge 1 · 12 ms");

    await page.click(".table summary");
    await page.waitForSelector("tbody tr:nth-child(7)");
    expect(await page.locator("tbody tr").first().innerText()).toContain("viewer 1");
    expect(errors).toEqual([]);
  });

  test("keeps still for whoever wants no motion", async () => {
    const animated = (page: Page) => page.$$eval(".run, .swim", (all) => all.filter((e) => getComputedStyle(e).animationName !== "none").length);
    const { page } = await open(context, link());
    await playing(page);
    await pretend(page);
    await page.click("#swarm-open");
    await page.waitForSelector(".node.seed");
    expect(await animated(page)).toBeGreaterThan(0);
    await page.emulateMedia({ reducedMotion: "reduce" });
    expect(await animated(page)).toBe(0);
  });

  test("question and panel are accessible and fit desktop and phone", async () => {
    await context.close();
    context = await browser.newContext({ reducedMotion: "reduce" });
    const { page } = await open(context, link());
    await playing(page);
    await pretend(page, { ask: true });
    await page.click("#swarm-open");
    await page.waitForSelector("#ask");
    await page.waitForSelector(".node.seed");
    await page.click(".table summary");
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth), "fits the width").toBeLessThanOrEqual(width);
      await expectAccessible(page);
    }
  });
});
