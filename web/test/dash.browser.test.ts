import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { expectAccessible, launch, open } from "./support/browser.ts";
import { TestDash } from "./support/dash.ts";

let browser: Browser;
let context: BrowserContext;
let dash: TestDash;

beforeAll(async () => {
  browser = await launch();
  dash = await TestDash.start();
});
afterAll(async () => {
  await browser.close();
  await dash.stop();
});
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
});
afterEach(() => context.close());

/** A page that somebody has logged in on. */
async function inside(query = ""): Promise<{ page: Page; errors: string[] }> {
  const login = await context.request.post(`${dash.url}/api/v1/dash/login`, { data: { token: dash.token } });
  expect(login.status()).toBe(204);
  const { page, errors } = await open(context, `${dash.url}/dash${query}`);
  await drawn(page);
  return { page, errors };
}

const drawn = (page: Page) => page.waitForFunction(() => document.querySelector("#fresh")?.textContent?.startsWith("As of"));
const view = async (page: Page, name: string, there: string) => {
  await page.click(`#views a[data-view=${name}]`);
  await page.waitForSelector(there);
};
const tile = (page: Page, i: number) => page.textContent(`.tile:nth-child(${i}) b`);

describe("the dashboard", () => {
  test("asks for the token, says what is wrong with another, and shows figures for the right one", async () => {
    const { page, errors } = await open(context, `${dash.url}/dash`, /status of 401/);
    await page.waitForSelector("#login:not([hidden])");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("token");
    await page.fill("#token", "guess");
    await page.press("#token", "Enter");
    await page.waitForSelector("#login-wrong:not(:empty)");
    expect(await page.textContent("#login-wrong")).toContain("This is not the token");
    await page.fill("#token", dash.token);
    await page.press("#token", "Enter");
    await drawn(page);
    expect(Number(await tile(page, 1))).toBeGreaterThan(5);
    await page.click("#logout");
    await page.waitForSelector("#login:not([hidden])");
    expect(errors).toEqual([]);
  });

  test("every view is accessible and fits desktop and phone", async () => {
    const { page, errors } = await open(context, `${dash.url}/dash`);
    const look = async () => {
      for (const width of [1280, 360]) {
        await page.setViewportSize({ width, height: 740 });
        expect(await page.evaluate(() => document.documentElement.scrollWidth), "fits the width").toBeLessThanOrEqual(width);
      }
      await expectAccessible(page); // once: it takes seconds where tables are long
    };
    await page.waitForSelector("#login:not([hidden])");
    await look();
    await page.fill("#token", dash.token);
    await page.click("#login-do");
    await drawn(page);
    await look();
    for (const name of ["visits", "servers", "live"]) {
      await view(page, name, "#view table");
      await look();
    }
    await view(page, "visits", "#view table a");
    await page.click("#view table a");
    await page.waitForSelector(".visit table");
    await look();
    await page.goto(`${dash.url}/dash?from=1000000000&to=1000003600`);
    await drawn(page);
    await look();
    expect(errors).toEqual([]);
  });

  test("shows what its address says, and the way back leads back", async () => {
    const { page } = await inside("?range=15m");
    expect(await page.isChecked("input[name=range][value='15m']")).toBe(true);
    const everybody = Number(await tile(page, 1));
    await page.click(".breakdown .doing >> text=kitchen");
    await page.waitForURL(/stream=kitchen/);
    await page.waitForFunction((n) => Number(document.querySelector(".tile b")?.textContent) < n, everybody);
    expect(await page.$eval("#filter-stream", (s: HTMLSelectElement) => s.selectedOptions[0]?.text)).toBe("kitchen");
    await view(page, "visits", "#view table");
    expect(page.url()).toMatch(/view=visits/);
    await page.click("label:has-text('Stalled')");
    await page.waitForURL(/only=stalled/);
    await page.goBack();
    await page.goBack();
    await page.waitForSelector(".tile");
    await page.goBack();
    await page.waitForFunction(() => !location.search.includes("stream"));
    expect(await page.$eval("#filter-stream", (s: HTMLSelectElement) => s.value)).toBe("");
  });

  test("says why a visit stalled", async () => {
    const { page } = await inside("?range=6h&view=visits&only=stalled");
    await page.click("#view table a");
    await page.waitForSelector(".why li");
    expect(await page.textContent(".story")).toMatch(/the picture stood/);
    expect(await page.textContent(".why li")).toMatch(/The buffer ran dry (at|between) \d\d:\d\d:\d\d.*, while the viewer 1a2b3c4d was late with \d+ blocks/);
  });

  test("has one cursor on all charts, by pointer and by keyboard", async () => {
    const { page } = await inside();
    await page.click("#pause"); // or time would go on under the cursor
    const at = (i: number) => page.textContent(`.plotted:nth-child(${i}) .at`);
    expect(await at(1)).toMatch(/^Newest/);
    const box = (await (await page.$(".plotted:nth-child(1) .u-over"))!.boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.waitForFunction(() => !document.querySelector(".plotted:nth-child(2) .at")?.textContent?.startsWith("Newest"));
    expect(await at(1)).toBe(await at(2));
    const before = await at(1);
    await page.focus(".plotted:nth-child(1) .room");
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction((t) => document.querySelector(".plotted:nth-child(2) .at")?.textContent !== t, before);
    expect(await page.getAttribute(".plotted:nth-child(1) .room", "aria-label")).toContain((await at(1))!);
  });

  test("zooms to what is marked in a chart", async () => {
    const { page } = await inside();
    const box = (await (await page.$(".plotted:nth-child(1) .u-over"))!.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 40, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+&to=\d+/);
    await drawn(page);
    const q = new URL(page.url()).searchParams;
    expect(Number(q.get("to")) - Number(q.get("from"))).toBeGreaterThan(600);
    expect(Number(q.get("to")) - Number(q.get("from"))).toBeLessThan(840);
    expect(await page.isVisible("#custom")).toBe(true);
  });

  test("refreshes itself unless it is paused", async () => {
    const { page } = await inside("?range=15m");
    const fresh = () => page.textContent("#fresh");
    const first = await fresh();
    await page.waitForFunction((t) => document.querySelector("#fresh")?.textContent !== t, first);
    await page.click("#pause");
    expect(await page.getAttribute("#pause", "aria-pressed")).toBe("true");
    const asked: string[] = [];
    page.on("request", (r) => asked.push(r.url()));
    await page.clock.install();
    await page.clock.runFor(60_000);
    expect(asked).toEqual([]);
    await page.click("#pause");
    await page.clock.runFor(6_000);
    await expect.poll(() => asked.length).toBeGreaterThan(0);
  });

  test("gives every chart as a CSV", async () => {
    const { page } = await inside();
    const links = await page.$$eval("a.csv", (all) => all.map((a) => (a as HTMLAnchorElement).href));
    expect(links.length).toBe(15);
    for (const link of links) {
      const answer = await context.request.get(link);
      expect([answer.status(), answer.headers()["content-type"], (await answer.text()).split("\n").length > 2]).toEqual([200, "text/csv; charset=utf-8", true]);
    }
  });

  test("says why there is nothing to show, and shows it once there is", async () => {
    const { page } = await open(context, "about:blank", /status of 503/);
    let why = "Analytics is off: run make setup, then start shoal again.";
    await page.route("**/api/v1/dash/status", (route) => (why === "" ? route.continue() : route.fulfill({ json: { login: true, ready: false, why } })));
    await context.request.post(`${dash.url}/api/v1/dash/login`, { data: { token: dash.token } });
    await page.goto(`${dash.url}/dash`);
    await page.waitForSelector("#away:not([hidden])");
    expect(await page.textContent("#away-why")).toBe(why);
    await expectAccessible(page);
    why = "";
    await page.click("#try");
    await drawn(page);
    await page.route("**/chart/delay**", (route) => route.fulfill({ status: 504, json: { error: "This took too long: choose a shorter time range, or one stream." } }));
    await page.reload();
    await page.waitForSelector(".holder .none:not([hidden])");
    expect(await page.textContent(".holder .none:not([hidden])")).toContain("choose a shorter time range");
  });
});
