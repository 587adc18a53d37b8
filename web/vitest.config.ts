import { defineConfig } from "vitest/config";

const inBrowsers = {
  globalSetup: ["test/support/build.ts"],
  testTimeout: 120_000,
  hookTimeout: 60_000,
  fileParallelism: false, // one Chromium and one ffmpeg at a time: the players are timed
};
const faults = ["test/real-swarm-faults.browser.test.ts"];

export default defineConfig({
  test: {
    maxConcurrency: 3, // tabs that play at the same time
    projects: [
      {
        test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/**/*.browser.test.ts"] },
      },
      {
        test: {
          name: "browser",
          include: ["test/**/*.browser.test.ts"],
          exclude: faults,
          ...inBrowsers,
        },
      },
      {
        // What fails around a tab, case by case: some minutes, so apart (make faults).
        test: { name: "faults", include: faults, ...inBrowsers },
      },
      {
        // No tests: scripts/screenshots.mjs takes the pictures in docs/screenshots with it.
        test: { name: "screenshots", include: ["test/support/screenshots*.ts"], globalSetup: ["test/support/build.ts"], testTimeout: 900_000 },
      },
    ],
  },
});
