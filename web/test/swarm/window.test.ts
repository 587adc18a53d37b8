import fc from "fast-check";
import { expect, test } from "vitest";
import { Haves, haveSpan } from "../../player/swarm/haves.ts";
import { Track } from "../../player/swarm/window.ts";
import { rigHead } from "./rig.ts";

const head = (n: number, size = 50_000) =>
  rigHead({ r: "v0", epoch: 1, n, verdict: "genuine", msn: Math.floor(n / 5), part: n % 5, key: n % 10 === 0, pts: n * 18_000, dur: 18_000, size });

test("what is no longer playable live is let go of, from a segment's start on, in whatever order heads come", () => {
  const order = fc.shuffledSubarray(
    Array.from({ length: 20 }, (_, i) => i),
    { minLength: 20 },
  );
  fc.assert(
    fc.property(order, (order) => {
      const t = new Track("v0", 0, false);
      for (let batch = 0; batch < 20; batch++) for (const i of order) t.insert(0, head(20 * batch + i));
      const numbers = t.pieces.map((p) => p.at.n);
      expect(numbers.at(-1)).toBe(399);
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => numbers[0]! + i));
      expect(numbers[0]! % 5).toBe(0);
      expect(numbers.length).toBeGreaterThanOrEqual(150); // 30 s
      expect(numbers.length).toBeLessThan(180);
      expect(t.insert(0, head(numbers[0]! - 1))).toBeNull();
      for (const n of numbers) expect(t.find({ epoch: 1, n })?.at.n).toBe(n);
      expect(t.find({ epoch: 1, n: 400 })).toBeNull();
    }),
    { numRuns: 20 },
  );
});

test("a window of large pieces is bounded by its bytes", () => {
  const t = new Track("v0", 0, false);
  for (let n = 0; n < 300; n++) t.insert(0, head(n, 4 << 20));
  expect(t.pieces.length).toBeLessThanOrEqual(64 + 4); // 256 MiB, looked at where a segment starts
  expect(t.pieces.length).toBeGreaterThan(50);
});

test("what a neighbour announced is remembered as long as a live window can need it", () => {
  const step = fc.record({ epoch: fc.integer({ min: 1, max: 4 }), n: fc.oneof(fc.nat(200), fc.nat(5000)), count: fc.integer({ min: 1, max: haveSpan }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const haves = new Haves();
      const said = new Map<number, Set<number>>();
      for (const { epoch, n, count } of steps) {
        haves.add({ epoch, n }, count);
        if ([...said.keys()].filter((e) => e > epoch).length < 2 && !said.has(epoch)) said.set(epoch, new Set());
        for (let i = n; i < n + count; i++) said.get(epoch)?.add(i);
        const last = Math.max(...(said.get(epoch) ?? []));
        for (const i of said.get(epoch) ?? []) if (last - i >= haveSpan) said.get(epoch)!.delete(i);
        for (const e of [...said.keys()].sort((a, b) => b - a).slice(2)) said.delete(e);
      }
      const numbers = Array.from({ length: 6200 }, (_, n) => n);
      for (let epoch = 1; epoch <= 4; epoch++) {
        expect(numbers.filter((n) => haves.has({ epoch, n }) !== (said.get(epoch)?.has(n) ?? false)), `epoch ${epoch}`).toEqual([]);
      }
    }),
    { numRuns: 60 },
  );
});
