// Takes the pictures in docs/screenshots; scripts/screenshots.mjs runs it.
import { mkdirSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { launch, open, playing, until } from "./browser.ts";
import { makeClip } from "./clip.ts";
import { TestOrigin } from "./origin.ts";
import { TestStream } from "./stream.ts";
import { Shoal, swarming } from "./shoal.ts";

const dir = resolve(import.meta.dirname, "../../../docs/screenshots");
/** A sunset of flat bands, which make small files, with a clock. */
const evening = [
  "color=c=0x12394a:size=640x360:rate=30",
  ...["0x1d5560:60", "0x3d7a78:110", "0x8fa98a:150", "0xe3bf86:184", "0xf0a062:212"].map((band) => {
    const [colour, y] = band.split(":");
    return `drawbox=x=0:y=${y}:w=640:h=${236 - Number(y)}:c=${colour}:t=fill`;
  }),
  "drawtext=text=●:fontsize=190:fontcolor=0xfff0c9:x=(w-text_w)/2:y=118",
  "drawbox=x=0:y=236:w=640:h=124:c=0x0a4650:t=fill",
  ...[0, 1, 2, 3, 4].map((i) => `drawbox=x=${272 + i * 11}:y=${246 + i * 20}:w=${96 - i * 22}:h=${7 - i}:c=0xf0c38a:t=fill`),
  "drawtext=text=◢:fontsize=90:fontcolor=0x06262d:x=120-8*t:y=170",
  "drawbox=x=0:y=330:w=640:h=30:c=0x06262d:t=fill",
  "drawtext=text='%{pts\\:hms}':fontsize=20:fontcolor=0xdff3ec:x=20:y=20",
].join(",");
const desktop = { width: 1280, height: 860 };
const phone = { width: 390, height: 844 };

test("screenshots", async () => {
  mkdirSync(dir, { recursive: true });
  const browser = await launch(["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]);
  onTestFinished(() => browser.close());
  const origin = await TestOrigin.start();
  const stream = await TestStream.of("harbour", makeClip(60, evening), {}, { v1: makeClip(60, `${evening},scale=320:180`, "200k") });
  origin.add(stream);
  origin.swarm = { consent: "ask", relay: true };
  const link = `${origin.url}/live/harbour#${stream.id}`;

  const sizes: [string, number][] = [];
  const shoot = async (name: string, scheme: "light" | "dark", size: { width: number; height: number }, ready: (page: Page) => Promise<unknown>, url = link) => {
    const context = await browser.newContext({ viewport: size, colorScheme: scheme, deviceScaleFactor: size === phone ? 1.5 : 1, reducedMotion: "reduce" });
    const { page } = await open(context, url);
    await ready(page);
    const path = resolve(dir, `${name}.png`);
    await page.screenshot({ path });
    sizes.push([name, statSync(path).size]);
    await context.close();
  };
  const offline = (page: Page) => until(page, "offline", (s) => s.state === "offline");
  /** Playing with sound, so that no button lies over the picture. */
  const verified = async (page: Page) => {
    await playing(page);
    await page.keyboard.press("m");
    await until(page, "verified, with its rate known", (s) => s.provenance === "verified" && s.piecesVerified > 12);
  };
  /** In the swarm for the last minute. */
  const inSwarm = async (page: Page, open: boolean) => {
    await verified(page);
    await until(page, "a minute in the swarm", ({ swarm }) => swarm.state === "on" && swarm.peers.length > 4 && swarm.bytes.peer > 7 * swarm.bytes.origin, 90_000);
    await page.waitForSelector("#ask", { state: "hidden" });
    if (open) {
      await page.click("#swarm-open");
      await page.locator(".node").nth(4).waitFor(); // seeds may not be among them
      await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      await page.locator("#swarm").evaluate((e) => e.scrollIntoView({ block: innerWidth > 500 ? "end" : "start" }));
    }
  };

  await shoot("offline", "dark", desktop, offline);
  stream.publish(3.3);
  await shoot("consent-light", "light", desktop, verified);
  await shoot("consent-phone-dark", "dark", phone, verified);
  await shoot("embed", "dark", { width: 800, height: 502 }, verified, link.replace("/live/", "/embed/"));
  origin.tamper = (m) => m.data.map((b, i) => (i === 900 ? b ^ 1 : b));
  await shoot("broken", "light", desktop, (p) => until(p, "broken", (s) => s.state === "broken"));
  await origin.stop();

  // A real swarm: other tabs, and two native viewers.
  const shoal = await Shoal.start(swarming);
  onTestFinished(() => shoal.stop());
  const real = await shoal.add("harbour");
  shoal.ffmpeg(real, { source: evening });
  for (let i = 0; i < 2; i++) shoal.watch(real, 600);
  for (let i = 0; i < 3; i++) await open(await browser.newContext(), real.watch_url);
  const panel = { width: 1280, height: 1262 };
  await shoot("page-dark", "dark", desktop, (p) => inSwarm(p, false), real.watch_url);
  await shoot("page-phone-light", "light", phone, (p) => inSwarm(p, false), real.watch_url);
  await shoot("panel-dark", "dark", panel, (p) => inSwarm(p, true), real.watch_url);
  await shoot("panel-light", "light", panel, (p) => inSwarm(p, true), real.watch_url);
  await shoot("panel-phone-dark", "dark", phone, (p) => inSwarm(p, true), real.watch_url);
  await shoot("embed-panel", "dark", { width: 800, height: 502 }, (p) => inSwarm(p, false).then(() => p.click("#sources")), real.watch_url.replace("/live/", "/embed/"));
  expect(sizes.filter(([, size]) => size > 200_000)).toEqual([]);
});
