// The player inside pages of other people's: as an element and in a frame.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { ShoalPlayer } from "../player/element.ts";
import { expectAccessible, launch, open } from "./support/browser.ts";
import { type Clip, makeClip } from "./support/clip.ts";
import { TestOrigin } from "./support/origin.ts";
import { OtherSite } from "./support/stock.ts";
import { TestStream } from "./support/stream.ts";

let browser: Browser;
let clip: Clip;
let site: OtherSite;
let context: BrowserContext;
let origin: TestOrigin;
let stream: TestStream;

beforeAll(async () => {
  clip = makeClip(20);
  browser = await launch();
  site = await OtherSite.start();
});
afterAll(async () => {
  await browser.close();
  await site.stop();
});
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 900, height: 700 }, reducedMotion: "reduce" });
  origin = await TestOrigin.start();
  origin.swarm = { consent: "ask" };
  stream = await TestStream.of("demo", clip);
  origin.add(stream);
  stream.publish(3.3);
});
afterEach(async () => {
  await context.close();
  await origin.stop();
});

const link = () => `${origin.url}/live/demo#${stream.id}`;
const element = (attributes = "") => `<main><h1>News</h1><shoal-player src="${link()}" muted autoplay ${attributes}></shoal-player></main><script type="module" src="${origin.url}/player.js"></script>`;
const player = <T>(page: Page, read: (p: ShoalPlayer) => T) => page.$eval("shoal-player", read as (e: Element) => T);
const verified = (page: Page) =>
  page.waitForFunction(() => {
    const s = document.querySelector<ShoalPlayer>("shoal-player")?.stats();
    return s?.state === "verified" && s.pieces_verified > 3;
  });

test("an element and a script are all that a page needs: it plays, proves, asks, and shows where it comes from", async () => {
  const { page, errors } = await open(context, site.html(element()));
  await verified(page);
  expect(await page.textContent("shoal-player >> #mark-word")).toBe("verified");
  expect(await page.getAttribute("shoal-player >> #mark", "href")).toBe(link());
  await page.waitForSelector("shoal-player >> #ask");
  await page.click("shoal-player >> .choice[data-mode=share]");
  await page.waitForSelector("shoal-player >> #ask", { state: "hidden" });
  expect(await player(page, (p) => p.view()!.mode)).toBe("share");
  await page.click("shoal-player >> #sources");
  await page.waitForSelector("shoal-player >> .node.origin");
  await page.waitForSelector("shoal-player >> .sum >> text=/^All of the last minute came from/");
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await page.waitForSelector("shoal-player >> .sheet", { state: "hidden" });
  expect(errors).toEqual([]);
});

test("an embedder lowers what is done and never raises it, and hears of changes", async () => {
  origin.swarm = { consent: "share" };
  const { page } = await open(context, site.html(element('consent="edge"')));
  await verified(page);
  expect(await player(page, (p) => [p.view()!.mode, p.view()!.most, p.view()!.ask])).toEqual(["edge", "edge", false]);
  await player(page, (p) => {
    p.addEventListener("change", () => (document.title = `heard ${p.stats()?.state}`));
    p.setAttribute("consent", "download");
  });
  await page.waitForFunction(() => document.title === "heard verified");
  expect(await player(page, (p) => [p.view()!.mode, p.view()!.most])).toEqual(["download", "download"]);
  await player(page, (p) => p.setAttribute("consent", "everything"));
  await verified(page);
  expect(await player(page, (p) => p.view()!.mode), "what cannot be read allows nothing").toBe("edge");
});

test("an element that leaves the page asks for nothing more, one that comes back plays, and a wrong address says so", async () => {
  const { page } = await open(context, site.html(element()));
  await verified(page);
  await page.evaluate(() => {
    const e = document.querySelector("shoal-player")!;
    e.remove();
    Object.assign(window, { kept: e });
  });
  await expect.poll(() => origin.open, { message: "requests under way" }).toBe(0);
  const asked = origin.asked.length;
  await stream.next(1_000);
  await stream.next(1_000);
  expect(origin.asked.length).toBe(asked);
  await page.evaluate(() => document.querySelector("main")!.append((window as unknown as { kept: Element }).kept));
  await verified(page);
  await player(page, (p) => (p.src = "https://example.com/somewhere"));
  await page.waitForSelector("shoal-player >> text=This is not the address of a stream");
  expect(await player(page, (p) => p.stats())).toBeNull();
});

test("an element that may not begin by itself waits for the viewer, who can", async () => {
  const { page, errors } = await open(context, site.html(element().replace(" autoplay", "")));
  await page.waitForFunction(() => document.querySelector<ShoalPlayer>("shoal-player")?.view()?.state === "paused");
  await page.click("shoal-player >> #play");
  await page.waitForFunction(() => document.querySelector<ShoalPlayer>("shoal-player")!.view()!.state === "playing");
  await verified(page);
  expect(errors).toEqual([]);
});

test("keys on the element work it, and keys elsewhere on the page are the page's", async () => {
  const { page } = await open(context, site.html(element()));
  await verified(page);
  await page.waitForFunction(() => document.querySelector<ShoalPlayer>("shoal-player")!.view()!.state === "playing");
  const muted = () => player(page, (p) => p.shadowRoot!.querySelector("video")!.muted);
  await page.keyboard.press("m");
  expect(await muted()).toBe(true);
  await page.focus("shoal-player >> #play");
  await page.keyboard.press("m");
  expect(await muted()).toBe(false);
});

test("a frame plays in anybody's page and fits it from small to large; the whole page may not be framed", async () => {
  const frame = (path: string) => `<main><h1>News</h1><iframe title="Live" src="${origin.url}/${path}/demo#${stream.id}" allow="autoplay; fullscreen"></iframe></main>`;
  const { page, errors } = await open(context, site.html(frame("embed")));
  const inside = page.frames()[1]!;
  await inside.waitForFunction(() => window.shoal.view().provenance === "verified");
  await inside.waitForSelector("#ask");
  for (const [width, height] of [[320, 180], [560, 315], [860, 484]] as const) {
    await page.$eval("iframe", (f, [w, h]) => Object.assign(f, { width: String(w), height: String(h) }), [width, height] as const);
    await inside.waitForFunction((w) => innerWidth === w, width);
    const over = await inside.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]);
    expect(over, `${width} × ${height}`).toEqual([0, 0]);
    const picture = await inside.evaluate(() => document.getElementById("ask")!.offsetHeight / document.querySelector(".screen")!.clientHeight);
    expect(picture, `the question leaves some of the picture at ${width} × ${height}`).toBeLessThan(0.75);
  }
  await expectAccessible(page);
  expect(errors).toEqual([]);
  const { page: other } = await open(context, site.html(frame("live")), /frame|Refused|ERR_BLOCKED/i);
  await expect.poll(() => other.frames()[1]?.url()).toMatch(/^chrome-error/);
});
