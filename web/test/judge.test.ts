import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { askClock, clockFrom, refine } from "../player/clock.ts";
import { pastGap, steer, Target } from "../player/live.ts";
import { type Fault, type Findings, judge } from "../player/provenance.ts";
import { wanted } from "../player/source.ts";

const fine: Findings = { idInLink: true, piecesVerified: 10, fault: null, ageMs: 300, freshMs: 5_000 };
const faults: Fault[] = [
  { kind: "wrong-id", wanted: "a", got: "b" },
  { kind: "key-changed", before: "a", now: "b" },
  { kind: "bad-piece", detail: "" },
  { kind: "bad-proof", detail: "" },
  { kind: "fork", detail: "" },
];

describe("what the page says about who made it", () => {
  test("verified only when the link names the stream, consistent otherwise", () => {
    expect(judge(fine).state).toBe("verified");
    expect(judge({ ...fine, idInLink: false }).state).toBe("consistent");
    expect(judge({ ...fine, piecesVerified: 0 }).state).toBe("checking");
  });

  test("stale when the newest piece on offer is older than the creator allows, or from the future", () => {
    expect(judge({ ...fine, ageMs: 5_000 }).state).toBe("verified");
    expect(judge({ ...fine, ageMs: 5_001 }).state).toBe("stale");
    expect(judge({ ...fine, ageMs: -4_000 }).state).toBe("verified");
    expect(judge({ ...fine, ageMs: -6_000 }).state).toBe("stale");
    expect(judge({ ...fine, ageMs: null }).state).toBe("verified");
  });

  test("a fault is broken, whatever else holds, and every state says what it means", () => {
    const findings = fc.record({
      idInLink: fc.boolean(),
      piecesVerified: fc.nat(),
      fault: fc.constantFrom(null, ...faults),
      ageMs: fc.option(fc.integer({ min: -1e6, max: 1e9 })),
      freshMs: fc.integer({ min: 1, max: 60_000 }),
    });
    fc.assert(
      fc.property(findings, (f) => {
        const v = judge(f);
        expect(v.state === "broken").toBe(f.fault !== null);
        expect(v.means).toMatch(/\.$/);
        if (v.state === "broken" || v.state === "stale") expect(v.advice).toMatch(/\.$/);
      }),
    );
  });
});

describe("the server's time", () => {
  test("is carried on by the monotonic clock alone", async () => {
    let tick = 1_000;
    const clock = await askClock(
      async () => {
        tick += 40;
        return 5_000_000;
      },
      () => tick,
    );
    expect(clock.now()).toBe(5_000_020);
    tick += 60_000;
    expect(clock.now()).toBe(5_060_020);
    expect(clockFrom(10, 0, 0, () => 5).now()).toBe(15);
  });

  test("is the one of the question that took the shortest", async () => {
    let now = 0;
    const tick = () => now;
    const trips = [80, 6, 40]; // ms, all of them on the way back
    const ask = async () => {
      const said = 1_000_000 + now;
      now += trips.shift()!;
      return said;
    };
    const first = clockFrom(1_000_000, 0, 200, tick);
    const clock = await refine(first, ask, 3, tick);
    expect(clock.tripMs).toBe(6);
    expect(clock.now() - (1_000_000 + now)).toBe(-3);
  });
});

describe("how close to live", () => {
  const feed = (t: Target, from: number, count: number, late: (i: number) => number) => {
    for (let i = 0; i < count; i++) t.arrived(100 + from + (i + 1) * 0.2 + late(i), from + i * 0.2);
  };

  test("even arrival: one piece and a little more", () => {
    const t = new Target();
    expect(t.lag(100)).toBeNull();
    feed(t, 0, 100, () => 0.01);
    expect(t.lag(120)! - 100).toBeGreaterThan(0.21);
    expect(t.lag(120)! - 100).toBeLessThan(0.4);
  });

  test("uneven arrival asks for as much more", () => {
    const even = new Target();
    const uneven = new Target();
    feed(even, 0, 100, () => 0);
    feed(uneven, 0, 100, (i) => [0, 0.1, 0.2, 0.3, 0.2, 0.1][i % 6]!);
    expect(uneven.lag(120)! - even.lag(120)!).toBeCloseTo(0.3, 2);
    expect(uneven.jitter()).toBeCloseTo(0.3, 2);
  });

  test("what comes by way of other viewers gets a little more room than what a server sends", () => {
    const t = new Target();
    feed(t, 0, 100, () => 0.01);
    const alone = t.lag(120)!;
    t.shared = true;
    expect(t.lag(120)! - alone).toBeCloseTo(0.15, 3);
  });

  test("a stall asks for room, which a calm minute gives back", () => {
    const t = new Target();
    feed(t, 0, 100, () => 0);
    const before = t.lag(120)!;
    t.stalled(120);
    t.stalled(121);
    expect(t.lag(121)!).toBeGreaterThan(before + 0.2);
    expect(t.lag(129)!).toBeGreaterThan(before + 0.2);
    for (let now = 131; now < 200; now++) t.lag(now);
    expect(t.lag(200)).toBeCloseTo(before, 3);
  });

  test("what arrived late while the page was starting is forgotten soon", () => {
    const t = new Target();
    feed(t, 0, 8, (i) => (i < 6 ? 1.5 - i * 0.2 : 0));
    feed(t, 1.6, 25, () => 0);
    expect(t.lag(107)! - 100).toBeLessThan(0.4);
  });

  test("one long outage does not hold the picture back", () => {
    const t = new Target();
    feed(t, 0, 100, (i) => (i === 50 ? 4 : 0));
    expect(t.lag(120)! - 100).toBeLessThan(0.4);
  });

  test("an encoder that hangs and then sends all at once does not hold the picture back for long", () => {
    const t = new Target();
    feed(t, 0, 20, () => 0);
    for (let i = 0; i < 10; i++) t.arrived(106.2 + i * 0.01, 4 + i * 0.2); // 2 s of pieces at once
    feed(t, 6, 15, () => 0);
    expect(t.lag(120)! - 100).toBeLessThan(0.5);
  });

  test("the speed stays within what nobody hears, and comes to rest at the target", () => {
    fc.assert(
      fc.property(fc.double({ min: -2, max: 1.4, noNaN: true }), (start) => {
        let off = start;
        let rate = 1;
        let heard = 0;
        for (let i = 0; i < 1_000; i++) {
          const s = steer(off, rate, 0.3);
          if (s.rate < 0.9 || s.rate > 1.2 || s.skip !== 0) heard++;
          rate = s.rate;
          off -= (rate - 1) * 0.1;
        }
        expect(heard).toBe(0);
        expect(Math.abs(off)).toBeLessThanOrEqual(0.06);
        expect(rate).toBe(1);
      }),
    );
  });

  test("far behind with the pictures at hand: skip", () => {
    expect(steer(1.2, 1, 1.4).skip).toBe(1.2);
    expect(steer(3, 1, 4)).toEqual({ rate: 1, skip: 3 });
    expect(steer(3, 1, 1).skip).toBe(0);
  });
});

describe("addresses", () => {
  const at = (path: string) => wanted(`http://h/live/demo/${path}`);

  test("pieces, segments and init segments are told apart, anything else is refused", () => {
    expect(at("v0/17/3.m4s")).toEqual({ kind: "piece", r: "v0", at: { epoch: 17, n: 3 } });
    expect(at("v0/seg/9.m4s")).toEqual({ kind: "segment", r: "v0", msn: 9 });
    expect(at(`v0/init/${"ab".repeat(32)}.mp4`)).toMatchObject({ kind: "init" });
    for (const p of ["v0/x.mp4", "v0/1/2.mp4", "../v0/1/2.m4s", "v0/init/zz.mp4", "v0/1/2/3.m4s"]) expect(at(p), p).toBeNull();
  });
});

describe("the beginning", () => {
  test("what was joined in an epoch's last moments gives way to the next epoch, once there is enough of it", () => {
    expect(pastGap(3.98, 4.2, 3.6, 0.3)).toBeNull();
    expect(pastGap(3.98, 4.38, 3.6, 0.3)).toBeCloseTo(4.08);
  });

  test("where there is no gap ahead, it stays where it is", () => {
    expect(pastGap(Number.POSITIVE_INFINITY, 0, 0, 0.3), "nothing is buffered").toBeNull();
    expect(pastGap(3, 9, 3.6, 0.3)).toBeNull();
    expect(pastGap(3.98, 9, 4, 0.3)).toBeNull();
  });
});
