import { expect, test } from "vitest";
import { Load } from "../player/load.ts";

/** Ticks for so many ms, each late by `late`; returns the moment after. */
function run(l: Load, from: number, ms: number, late: number): number {
  let now = from;
  while (now < from + ms) l.tick((now += 100 + late), 100);
  return now;
}

test("a device that has time takes part at once, and goes on when it is a little busy", () => {
  const l = new Load();
  let now = run(l, 0, 500, 2);
  expect(l.allows(now, false)).toBe(true);
  now = run(l, now, 10_000, 120);
  expect(l.allows(now, true)).toBe(true);
});

test("a device that is busy starting begins when it is calm", () => {
  const l = new Load();
  let now = run(l, 0, 2_000, 150);
  expect(l.allows(now, false)).toBe(false);
  now = run(l, now, 3_000, 0);
  expect(l.allows(now, false)).toBe(true);
});

test("a device that cannot bear the swarm leaves it, and tries again later and later", () => {
  const l = new Load();
  let now = run(l, 0, 1_000, 0);
  const pauses: number[] = [];
  for (let i = 0; i < 4; i++) {
    now = run(l, now, 5_000, 500);
    expect(l.allows(now, true)).toBe(false);
    const left = now;
    while (!l.allows(now, false)) now = run(l, now, 200, 0);
    pauses.push(now - left);
  }
  for (let i = 1; i < pauses.length; i++) expect(pauses[i]!).toBeGreaterThan(1.5 * pauses[i - 1]!);
});

test("a machine that slept, or a tab whose timers were not kept, was not busy", () => {
  const l = new Load();
  let now = run(l, 0, 1_000, 0);
  l.tick((now += 3_600_000), 100);
  expect(l.allows(now, true)).toBe(true);
  l.skip();
  l.tick((now += 60_000), 100);
  expect(l.allows(run(l, now, 1_500, 0), false)).toBe(true);
});
