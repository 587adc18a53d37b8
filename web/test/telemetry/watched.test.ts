// How long a picture moved, however seldom one looks.
import { expect, test } from "vitest";
import { Watched } from "../../player/telemetry/watched.ts";

/** Looks each `every` ms until `to`; the picture moves except between `from` and `until`. */
function watch(every: number, to: number, [from, until] = [0, 0], rate = 1): Watched {
  const w = new Watched();
  let position = 10;
  for (let now = 0; now <= to; now += every) {
    if (now > 0 && !(now > from && now <= until)) position += (every / 1000) * rate;
    w.look({ now, wanted: true, starting: false, position, rate });
  }
  return w;
}

test("a picture that moves all the time is played all the time, at any speed and however seldom one looks", () => {
  for (const every of [100, 1_000, 20_000]) {
    for (const rate of [0.9, 1, 1.2]) {
      const { sums } = watch(every, 60_000, [0, 0], rate);
      expect(sums.wanted).toBe(60_000);
      expect(sums.played).toBeCloseTo(60_000, 3);
      expect(sums.stalls).toBe(0);
    }
  }
});

test("a picture that is held is a stall from its beginning, and one that is held for a moment is none", () => {
  expect(watch(100, 5_000, [2_000, 2_200]).sums).toMatchObject({ stalls: 0, dry: 0, wanted: 5_000 });
  const { sums } = watch(100, 5_000, [2_000, 2_700]);
  expect(sums).toMatchObject({ stalls: 1, dry: 700, wanted: 5_000 });
  expect(sums.played).toBeCloseTo(4_300, 3);
});

test("a stall is told while it lasts", () => {
  const w = watch(100, 3_000, [2_000, 9_000]);
  expect([w.stalled, w.held, w.sums.dry]).toEqual([true, 1_000, 1_000]);
});

test("time before the first picture is wanted and no stall; a pause and a seek are neither", () => {
  const w = new Watched();
  const look = (now: number, position: number, fields = {}) => w.look({ now, position, wanted: true, starting: false, rate: 1, ...fields });
  for (let now = 0; now <= 1_000; now += 100) look(now, 0, { starting: true });
  expect(w.sums).toEqual({ played: 0, wanted: 1_000, dry: 0, stalls: 0 });
  look(1_100, 0.1);
  look(1_200, 0.1, { wanted: false });
  look(9_000, 0.1, { wanted: false });
  look(9_100, 0.1);
  expect(w.sums).toMatchObject({ wanted: 1_100, stalls: 0 });
});
