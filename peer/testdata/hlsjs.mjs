// Plays the playlist that is named last with hls.js in Chromium, from another origin,
// and fails unless three seconds of it are shown, near live and without an error.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const playlist = process.argv.at(-1);
const library = await readFile(createRequire(process.cwd() + "/").resolve("hls.js/dist/hls.js"));
const page = `<!doctype html><video muted></video><script src="/hls.js"></script><script>
  const video = document.querySelector("video"), errors = [];
  const hls = new Hls({ lowLatencyMode: true });
  hls.on(Hls.Events.ERROR, (_, e) => errors.push(e.details));
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
  hls.loadSource(${JSON.stringify(playlist)});
  hls.attachMedia(video);
</script>`;
const site = createServer((req, res) => {
  const script = req.url === "/hls.js";
  res.setHeader("Content-Type", script ? "text/javascript" : "text/html");
  res.end(script ? library : page);
});
await new Promise((done) => site.listen(0, "127.0.0.1", done));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
});
try {
  const tab = await browser.newPage();
  await tab.goto(`http://127.0.0.1:${site.address().port}/`);
  await tab.waitForFunction(() => document.querySelector("video").currentTime > 0, undefined, { timeout: 20_000 });
  const from = await tab.evaluate(() => video.currentTime);
  await tab.waitForFunction((to) => video.currentTime > to, from + 3, { timeout: 15_000 });
  const saw = await tab.evaluate(() => ({ errors, latency: hls.latency, width: video.videoWidth, shown: video.getVideoPlaybackQuality().totalVideoFrames }));
  if (saw.errors.length > 0 || saw.width !== 320 || saw.shown < 60 || !(saw.latency < 4)) throw new Error(JSON.stringify(saw));
  console.log(JSON.stringify(saw));
} finally {
  await browser.close();
  site.close();
}
