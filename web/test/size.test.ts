import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";

test("the library adds at most 120 kB, gzipped, to a page that has hls.js", () => {
  const printed = execFileSync(process.execPath, [resolve(import.meta.dirname, "../scripts/size.mjs")], { encoding: "utf8" });
  const size = Number(/without hls\.js .* ([\d.]+) kB gzipped/.exec(printed)?.[1]);
  expect(size, printed).toBeGreaterThan(10);
  expect(size, printed).toBeLessThanOrEqual(120);
}, 60_000);
