// Chromium for tests, and how to read a player page in it.
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContext, type BrowserServer, chromium, type LaunchOptions, type Page } from "playwright-core";
import { expect } from "vitest";
import type { View } from "../../player/view.ts";

const started = (more: string[]) => ({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: [
    ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    ...["--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"],
    ...more,
  ],
});

export function launch(more: string[] = [], o: LaunchOptions = {}): Promise<Browser> {
  return chromium.launch({ ...started(more), ...o });
}

/** The same, for those who need its process. */
export function launchServer(more: string[]): Promise<BrowserServer> {
  return chromium.launchServer(started(more));
}

/** A page that fails the test on any error in its console, a breach of the Content-Security-Policy included. */
export async function open(context: BrowserContext, url: string, expected: RegExp = /status of 404|ERR_/): Promise<{ page: Page; errors: string[] }> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("console", (m) => {
    if (m.type() === "error" && !expected.test(m.text())) errors.push(m.text());
  });
  await page.goto(url);
  return { page, errors };
}

export function stats(page: Page): Promise<View> {
  return page.evaluate(() => window.shoal.view());
}

/** Waits until the player's stats are as asked, and says what they were if they never are. */
export async function until(page: Page, what: string, good: (s: View) => boolean, ms = 15_000): Promise<View> {
  const end = Date.now() + ms;
  for (;;) {
    const s = await stats(page);
    if (good(s)) return s;
    if (Date.now() > end) throw new Error(`not ${what} after ${ms} ms: ${JSON.stringify({ ...s, swarm: { ...s.swarm, minute: s.swarm.minute.slice(-5) } })}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

export function playing(page: Page): Promise<View> {
  return until(page, "playing", (s) => s.state === "playing" && s.firstFrameMs !== null);
}

/**
 * Light, and dark, which can differ in nothing but its colours. Of a long table, whose rows are all alike, the first are
 * enough outside of soaks: axe takes seconds for some hundred.
 */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const axe = new AxeBuilder({ page });
    if (!process.env["SHOAL_SOAK"]) axe.exclude("tbody tr:nth-child(n + 13)");
    const found = await (colorScheme === "light" ? axe : axe.withRules("color-contrast")).analyze();
    expect(found.violations.map((v) => `${colorScheme}, ${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`)).toEqual([]);
  }
}
