// When a playing page asks its origin how the stream stands, and how much it asks for.
import { expect, test } from "vitest";
import { Lookout } from "../player/lookout.ts";

test("as long as entries come nothing is asked", () => {
  const l = new Lookout(0);
  for (let now = 500; now < 600_000; now += 500) expect(l.due(now, 300)).toBeNull();
});

test("where it is quiet the newest entry is asked for, again and again but not at once", () => {
  const l = new Lookout(0);
  expect(l.due(10_000, 1_600)).toBe("newest");
  expect(l.due(10_300, 1_900)).toBeNull();
  expect(l.due(10_500, 2_100)).toBe("newest");
});

test("trouble asks for everything, once", () => {
  const l = new Lookout(0);
  l.trouble();
  expect(l.due(10_000, 0)).toBe("whole");
  expect(l.due(11_000, 0)).toBeNull();
});

test("where peers meet is asked for each hour, until it is answered", () => {
  const l = new Lookout(0);
  expect(l.due(3_600_001, 0)).toBe("whole");
  expect(l.due(3_601_000, 0)).toBe("whole");
  l.renewed(3_601_100);
  expect(l.due(3_602_000, 0)).toBeNull();
});

test("what is offered is looked at soon after the start, then less and less often; what is allowed once a minute", () => {
  const l = new Lookout(0);
  const offers: number[] = [];
  const policies: number[] = [];
  for (let now = 0; now < 300_000; now += 500) {
    if (l.offersDue(now)) offers.push(now);
    if (l.policyDue(now)) policies.push(now);
  }
  expect(offers.slice(0, 4)).toEqual([1_500, 4_000, 8_500, 17_000]);
  expect(offers.at(-1)! - offers.at(-2)!).toBe(60_500);
  expect(policies).toHaveLength(4);
});

test("entries from the future say that the machine slept, at most every five seconds", () => {
  const l = new Lookout(0);
  expect(l.slept(10_000, -1_000)).toBe(false);
  expect(l.slept(10_000, -3_000)).toBe(true);
  expect(l.slept(12_000, -3_000)).toBe(false);
  expect(l.slept(16_000, -3_000)).toBe(true);
});
