import { defineConfig } from "vitest/config";

const inBrowsers = {
  globalSetup: ["test/support/build.ts"],
  testTimeout: 120_000,
  hookTimeout: 60_000,
};
/** What pages look like and do: two Chromiums at a time. */
const untimed = ["embedding", "pages", "peering", "swarm", "tracker"].map((name) => `test/${name}.browser.test.ts`);

export default defineConfig({
  test: {
    maxConcurrency: 3, // tabs that play at the same time
    projects: [
      {
        test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/**/*.browser.test.ts"] },
      },
      {
        test: {
          name: "pages",
          include: untimed,
          ...inBrowsers,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "browser",
          include: ["test/**/*.browser.test.ts"],
          exclude: ["test/real-swarm-faults.browser.test.ts", ...untimed],
          ...inBrowsers,
          fileParallelism: false, // one Chromium and one ffmpeg at a time: the players are timed
          sequence: { groupOrder: 2 },
        },
      },
      {
        // What fails around a tab, case by case: some minutes, so apart (make faults).
        test: { name: "faults", include: ["test/real-swarm-faults.browser.test.ts"], ...inBrowsers, fileParallelism: false },
      },
      {
        // No tests: scripts/screenshots.mjs takes the pictures in docs/screenshots with it.
        test: { name: "screenshots", include: ["test/support/screenshots.ts"], globalSetup: ["test/support/build.ts"], testTimeout: 900_000 },
      },
    ],
  },
});
