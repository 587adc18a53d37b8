import { defineConfig } from "vitest/config";
import type { TestCase } from "vitest/node";

// What plays is held to bounds in real time, on machines that others work on too: it may be disturbed once. What is at
// fault by itself fails again. Whatever failed is told of, though it passed then.
const disturbed = {
  onTestCaseResult(test: TestCase) {
    if (test.result().state !== "passed" || !test.diagnostic()?.retryCount) return;
    console.log(`  PASSED ONLY WHEN TRIED AGAIN: ${test.fullName}`);
    for (const e of test.result().errors ?? []) console.log(`    ${e.message}\n    ${e.stack?.split("\n").find((l) => l.includes(".test.ts")) ?? ""}`);
  },
};

const inBrowsers = {
  globalSetup: ["test/support/build.ts"],
  retry: process.env["SHOAL_SOAK"] ? 0 : 1,
  testTimeout: 120_000,
  hookTimeout: 60_000,
};
const faults = ["test/real-swarm-faults.browser.test.ts"];
// These have the real server and encoders beside their Chromium, and hold what plays to bounds; the others wait, mostly.
const alone = "test/real*.browser.test.ts";

export default defineConfig({
  test: {
    reporters: ["default", disturbed],
    maxConcurrency: 3, // tabs that play at the same time
    projects: [
      {
        // A process for each file would take longer than what is in most of them.
        test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/**/*.browser.test.ts"], isolate: false },
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
