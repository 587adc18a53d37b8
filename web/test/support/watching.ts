// What a viewer sees, measured in the page and apart from what the player says of itself.
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import type { View } from "../../player/view.ts";
import { open, playing, stats, until } from "./browser.ts";
import type { Stream } from "./shoal.ts";

/**
 * Opens a page in a browser profile of its own, in which nothing is pinned. Fails on
 * what its console complains of, and when it was loaded anew meanwhile.
 */
export async function viewing(browser: Browser, url: string, watch: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext();
  try {
    let loads = 0;
    context.on("page", (page) => page.on("load", () => loads++));
    const { page, errors } = await open(context, url);
    await watch(page);
    expect(errors).toEqual([]);
    expect(loads).toBe(1);
  } finally {
    await context.close();
  }
}

export interface Watched {
  seconds: number; // of the stream that went by
  tookMs: number;
  longestHoldMs: number; // that the playhead stood still
  frames: number; // decoded meanwhile
  frameSeconds: number; // the shortest time from one frame to the next that was shown
}

/** Watches until so many seconds of the stream went by; jumps of the playhead are not counted. */
export async function watched(page: Page, seconds: number, ms = seconds * 1_000 + 10_000): Promise<Watched> {
  const found = await page.evaluate(
    ({ seconds, ms }) =>
      new Promise<Watched>((resolve) => {
        const video = document.querySelector("video")!;
        const decoded = () => video.getVideoPlaybackQuality().totalVideoFrames;
        const began = performance.now();
        const first = decoded();
        const w: Watched = { seconds: 0, tookMs: 0, longestHoldMs: 0, frames: 0, frameSeconds: 9 };
        let shown = -1;
        const look: VideoFrameRequestCallback = (_, frame) => {
          const step = frame.mediaTime - shown;
          if (shown >= 0 && step > 0) w.frameSeconds = Math.min(w.frameSeconds, step);
          shown = frame.mediaTime;
          video.requestVideoFrameCallback(look);
        };
        video.requestVideoFrameCallback(look);
        let at = video.currentTime;
        let moved = began;
        const timer = setInterval(() => {
          const now = performance.now();
          const step = video.currentTime - at;
          w.longestHoldMs = Math.max(w.longestHoldMs, now - moved);
          if (step !== 0) {
            if (step > 0) w.seconds += Math.min(step, (1.5 * (now - moved)) / 1000);
            at = video.currentTime;
            moved = now;
          }
          if (w.seconds < seconds && now - began < ms) return;
          clearInterval(timer);
          resolve({ ...w, tookMs: now - began, frames: decoded() - first });
        }, 20);
      }),
    { seconds, ms },
  );
  if (found.seconds < seconds) {
    const s = await page.evaluate(() => JSON.stringify((window as { shoal?: { view(): unknown } }).shoal?.view()));
    throw new Error(`only ${found.seconds.toFixed(1)} s of ${seconds} s went by in ${ms} ms: ${JSON.stringify(found)} ${s}`);
  }
  return found;
}

/** The page plays the stream, proves it by the id in its link, and has refused nothing. */
export async function plays(page: Page, stream: Stream, seconds: number): Promise<View> {
  await playing(page);
  await until(page, "verified", (s) => s.provenance === "verified");
  await watched(page, seconds);
  const s = await stats(page);
  expect(s).toMatchObject({ state: "playing", provenance: "verified", streamId: stream.stream_id, piecesRejected: 0 });
  expect(await page.isVisible("#overlay")).toBe(false);
  return s;
}
