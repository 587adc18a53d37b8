// Opens a page with a video of bench's clock picture, and prints as JSON how late each
// displayed frame was, how often the video stalled, and when the first frame of each
// visit was shown.
//
//	node bench/glass.mjs URL SECONDS VISITS
import { chromium } from "../web/node_modules/playwright-core/index.mjs";
import { observe } from "./browser/observe.mjs";

const [url, seconds, visits] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
  ],
});

async function visit(ms) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.on("pageerror", (e) => console.error(e));
  await page.addInitScript(observe);
  // A new window keeps Chromium busy for a while (its own pages take more processor time
  // than ours): someone who follows a link has it open already.
  await page.waitForTimeout(1_000);
  await page.goto(url);
  await page.waitForFunction(() => globalThis.glass.shown, undefined, { timeout: 30_000 });
  await page.evaluate((wait) => new Promise((done) => setTimeout(done, wait)), ms);
  const glass = await page.evaluate(() => globalThis.glass.report());
  await context.close();
  return glass;
}

const first = [];
for (let i = 0; i < visits; i++) first.push((await visit(500)).firstFrame);
const long = await visit(seconds * 1000);
// The first second is the start, which first_frames tells about.
const delays = long.delays.slice(30);
if (long.bad > delays.length / 100) throw new Error(`${long.bad} of ${delays.length} frames had no readable clock`);
console.log(JSON.stringify({ delays, stalls: long.waits, first_frames: first }));
await browser.close();
