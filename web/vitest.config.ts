import { defineConfig } from "vitest/config";

const inBrowsers = {
  globalSetup: ["test/support/build.ts"],
  testTimeout: 120_000,
  hookTimeout: 60_000,
};
// Each file has a Chromium, and encoders: mostly they wait. These take all of two cores.
const alone = ["test/real-ladder.browser.test.ts", "test/real-swarm.browser.test.ts"];
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
          exclude: [...alone, ...faults],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
          ...inBrowsers,
        },
      },
      {
        test: { name: "browser alone", include: alone, maxWorkers: 1, sequence: { groupOrder: 1 }, ...inBrowsers },
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
