import { defineConfig } from "vitest/config";

const inBrowsers = {
  globalSetup: ["test/support/build.ts"],
  testTimeout: 120_000,
  hookTimeout: 60_000,
};
const faults = ["test/real-swarm-faults.browser.test.ts"];
// These have the real server and encoders beside their Chromium, and hold what plays to bounds; the others wait, mostly.
const alone = "test/real*.browser.test.ts";

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
          exclude: [alone],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
          ...inBrowsers,
        },
      },
      {
        test: { name: "browser alone", include: [alone], exclude: faults, maxWorkers: 1, sequence: { groupOrder: 1 }, ...inBrowsers },
      },
      {
        // What fails around a tab, case by case: some minutes, so apart (make faults).
        test: { name: "faults", include: faults, maxWorkers: 1, sequence: { groupOrder: 2 }, ...inBrowsers },
      },
      {
        // No tests: scripts/screenshots.mjs takes the pictures in docs/screenshots with it.
        test: { name: "screenshots", include: ["test/support/screenshots*.ts"], globalSetup: ["test/support/build.ts"], testTimeout: 900_000 },
      },
    ],
  },
});
