// Takes the pictures in docs/screenshots; scripts/screenshots.mjs runs it.
import { mkdirSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { launch, open, playing, until } from "./browser.ts";
import { makeClip } from "./clip.ts";
import { TestOrigin } from "./origin.ts";
import { TestStream } from "./stream.ts";
import { swarming } from "./view.ts";

const dir = resolve(import.meta.dirname, "../../../docs/screenshots");
const evening = "gradients=n=4:c0=0x04232b:c1=0x0b6b66:c2=0xf0a868:c3=0xd9583b:x0=0:y0=360:x1=640:y1=0:seed=7:speed=0.008:type=linear";
const desktop = { width: 1280, height: 860 };
const phone = { width: 390, height: 844 };

test("screenshots", async () => {
  mkdirSync(dir, { recursive: true });
  const browser = await launch();
  const origin = await TestOrigin.start();
  const stream = await TestStream.of("harbour", makeClip(60, evening));
  origin.add(stream);
  origin.swarm = { consent: "ask", relay: true };
  const link = `${origin.url}/live/harbour#${stream.id}`;

  const shoot = async (name: string, scheme: "light" | "dark", size: { width: number; height: number }, ready: (page: Page) => Promise<unknown>, url = link) => {
    const context = await browser.newContext({ viewport: size, colorScheme: scheme, deviceScaleFactor: size === phone ? 1.5 : 1, reducedMotion: "reduce" });
    const { page } = await open(context, url);
    await ready(page);
    const path = resolve(dir, `${name}.png`);
    await page.screenshot({ path });
    expect(statSync(path).size, `${name}.png is small`).toBeLessThan(200_000);
    await context.close();
  };
  const offline = (page: Page) => until(page, "offline", (s) => s.state === "offline");
  /** Playing with sound, so that no button lies over the picture. */
  const verified = async (page: Page) => {
    await playing(page);
    await page.keyboard.press("m");
    await until(page, "verified, with its rate known", (s) => s.provenance === "verified" && s.piecesVerified > 12);
  };
  const inSwarm = async (page: Page, open: boolean) => {
    await verified(page);
    await page.evaluate((fake) => {
      const { player } = window.shoal;
      const real = player.view.bind(player);
      player.view = () => ({ ...real(), ...(JSON.parse(fake) as object) });
    }, JSON.stringify(swarming({} as never)));
    await page.waitForSelector("#ask", { state: "hidden" });
    if (open) {
      await page.click("#swarm-open");
      await page.waitForSelector(".node.seed");
      await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      await page.locator("#swarm").evaluate((e) => e.scrollIntoView({ block: innerWidth > 500 ? "end" : "start" }));
    }
  };

  await shoot("offline", "dark", desktop, offline);
  stream.publish(3.3);
  await shoot("consent-light", "light", desktop, verified);
  await shoot("consent-phone-dark", "dark", phone, verified);
  await shoot("page-dark", "dark", desktop, (p) => inSwarm(p, false));
  await shoot("page-phone-light", "light", phone, (p) => inSwarm(p, false));
  await shoot("panel-dark", "dark", { width: 1280, height: 1300 }, (p) => inSwarm(p, true));
  await shoot("panel-light", "light", { width: 1280, height: 1300 }, (p) => inSwarm(p, true));
  await shoot("panel-phone-dark", "dark", phone, (p) => inSwarm(p, true));
  await shoot("embed", "dark", { width: 800, height: 502 }, verified, link.replace("/live/", "/embed/"));
  await shoot("embed-panel", "dark", { width: 800, height: 502 }, (p) => inSwarm(p, false).then(() => p.click("#sources")), link.replace("/live/", "/embed/"));
  origin.tamper = (m) => m.data.map((b, i) => (i === 900 ? b ^ 1 : b));
  await shoot("broken", "light", desktop, (p) => until(p, "broken", (s) => s.state === "broken"));
  await browser.close();
  await origin.stop();
});
