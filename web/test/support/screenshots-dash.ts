// Takes the pictures of the dashboard in docs/screenshots; scripts/screenshots.mjs runs it.
import { mkdirSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { launch, open } from "./browser.ts";
import { TestDash } from "./dash.ts";

const dir = resolve(import.meta.dirname, "../../../docs/screenshots");
const desktop = { width: 1280, height: 1180 };
const low = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };

test("screenshots of the dashboard", async () => {
  mkdirSync(dir, { recursive: true });
  const browser = await launch();
  const dash = await TestDash.start();
  const sizes: [string, number][] = [];
  const shoot = async (name: string, scheme: "light" | "dark", size: typeof desktop, ready: (page: Page) => Promise<unknown>, query = "") => {
    const context = await browser.newContext({ viewport: size, colorScheme: scheme, deviceScaleFactor: size === phone ? 1.5 : 1, reducedMotion: "reduce" });
    await context.request.post(`${dash.url}/api/v1/dash/login`, { data: { token: dash.token } });
    const { page } = await open(context, `${dash.url}/dash${query}`);
    await page.waitForFunction(() => document.querySelector("#fresh")?.textContent?.startsWith("As of"));
    await ready(page);
    const path = resolve(dir, `${name}.png`);
    await page.screenshot({ path });
    sizes.push([name, statSync(path).size]);
    await context.close();
  };
  const asItIs = () => Promise.resolve();
  /** A visit that stalled more than once, and was sharing. */
  const stalled = async (page: Page) => {
    await page.click("#view tbody tr:nth-child(3) a");
    await page.waitForSelector(".why li");
    await page.waitForSelector(".visit table");
  };
  await shoot("dash-dark", "dark", desktop, asItIs);
  await shoot("dash-light", "light", desktop, asItIs);
  await shoot("dash-phone-dark", "dark", phone, asItIs);
  await shoot("dash-phone-light", "light", phone, (p) => p.locator(".plotted:nth-child(2)").evaluate((e) => e.scrollIntoView()));
  await shoot("dash-visit-light", "light", { ...desktop, height: 900 }, stalled, "?view=visits&only=stalled");
  await shoot("dash-visit-phone-dark", "dark", phone, stalled, "?view=visits&only=stalled");
  await shoot("dash-visits-dark", "dark", low, asItIs, "?view=visits");
  await shoot("dash-servers-light", "light", low, (p) => p.waitForSelector("#view table"), "?view=servers");
  await shoot("dash-live-dark", "dark", low, (p) => p.waitForSelector("#view table"), "?view=live");
  await shoot("dash-live-phone-light", "light", phone, (p) => p.waitForSelector("#view table"), "?view=live");
  await browser.close();
  await dash.stop();
  expect(sizes.filter(([, size]) => size > 200_000)).toEqual([]);
});
