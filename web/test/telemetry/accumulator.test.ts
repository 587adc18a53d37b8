// What reports tell of a player: differences, each once.
import { expect, test } from "vitest";
import { Accumulator } from "../../player/telemetry/accumulator.ts";
import { Arrivals } from "../../player/telemetry/arrivals.ts";
import { reading, visit } from "./readings.ts";

test("counts are of the time since the report before, and what came before the visit is nobody's", () => {
  const a = new Accumulator(visit, reading(1_000, { stats: { bytes: { peer: 500, seed: 0, edge: 0, origin: 9 }, upload: 70 } }));
  const at = (now: number, peer: number, upload: number) => a.report(reading(now, { stats: { bytes: { peer, seed: 3, edge: 0, origin: 9 }, upload, pieces_rejected: 1 } }), "t");
  expect(at(6_000, 1_500, 100)).toMatchObject({ n: 0, interval: 5_000, peerBytes: 1_000, seedBytes: 3, originBytes: 0, given: 30, rejected: 1 });
  expect(at(11_000, 1_600, 100)).toMatchObject({ n: 1, interval: 5_000, peerBytes: 100, seedBytes: 0, given: 0, rejected: 0 });
});

test("what is true at the moment is told as it is, in the units of reports", () => {
  const a = new Accumulator(visit, reading(0));
  const r = a.report(
    reading(5_000, {
      ...{ stats: { buffer_ms: 340, delay_now_ms: 640, peers: 5 }, moment: { bitrate: 904_400, firstFrameMs: null }, top: 6_000_000, hidden: true },
      ...{ allowed: { mode: "share", up: 2_000_000 }, minute: [{ peer: 100_000, seed: 25_000, edge: 0, origin: 0, up: 7 }] },
    }),
    "t",
  );
  expect(r).toMatchObject({ at: 1_732_780_005_000, buffer: 340, delay: 640, peers: 5, bitrate: 904, top: 6_000, uplink: 2_000, measured: 1_000, hidden: true, consent: "share" });
  expect(a.report(reading(10_000), "t").uplink).toBe(0); // no bound
});

test("the first picture is told of once, and not at all where it was there before the visit", () => {
  const shown = (ms: number | null) => ({ moment: { bitrate: 0, firstFrameMs: ms } });
  const a = new Accumulator(visit, reading(0, shown(null)));
  expect([null, 1_180, 1_180].map((ms, i) => a.report(reading(1_000 * i, shown(ms)), "t").start)).toEqual([0, 1_180, 0]);
  const again = new Accumulator(visit, reading(0, shown(1_180)));
  expect(again.report(reading(5_000, shown(1_180)), "t").start).toBe(0);
});

test("a player that ran dry says for how long, and that it is so only while it is", () => {
  const a = new Accumulator(visit, reading(0));
  const dry = { played: 4_270, wanted: 5_000, dry: 730, stalls: 1 };
  expect(a.report(reading(5_000, { watching: dry }), "t")).toMatchObject({ starved: true, dryMs: 730, stalls: 1, played: 4_270, wanted: 5_000 });
  expect(a.report(reading(10_000, { watching: { ...dry, played: 9_270, wanted: 10_000 } }), "t")).toMatchObject({ starved: false, dryMs: 0, stalls: 0, played: 5_000 });
});

test("pictures that were dropped are counted on when a new publish counts from nothing", () => {
  const a = new Accumulator(visit, reading(0, { dropped: 10 }));
  expect([12, 3, 4].map((dropped, i) => a.report(reading(5_000 * i, { dropped }), "t").dropped)).toEqual([2, 5, 6]);
});

const peer = (id: string, down: number, role: "viewer" | "seed" = "viewer") => ({ id, role, rttMs: 12.4, down, up: 0, relayed: false, missed: 0 });

test("the four neighbours that give most are told now and then, and whenever the state changes", () => {
  const a = new Accumulator(visit, reading(0));
  const peers = [peer("a", 1_000), peer("b", 5_000), peer("c", 2_000, "seed"), peer("d", 4_000), peer("e", 3_000)];
  const told = (["t", "t", "t", "t", "ps"] as const).map((event, i) => a.report(reading(5_000 * i, { peers }), event).neighbours!);
  expect(told.map((n) => n.map(({ id }) => id).join(""))).toEqual(["bdec", "", "", "bdec", "bdec"]);
  expect(told[0]![3]).toEqual({ id: "c", kind: "seed", rtt: 12.4, goodput: 2, late: 0 });
});

test("what a neighbour missed is told once", () => {
  const a = new Accumulator(visit, reading(0));
  const late = [3, 3, 7].map((missed, i) => a.report(reading(5_000 * i, { peers: [{ ...peer("a", 1), missed }] }), "ps").neighbours![0]!.late);
  expect(late).toEqual([3, 0, 4]);
});

test("pieces that came are told by how soon they came, each in one report", () => {
  const a = new Accumulator(visit, reading(0));
  for (let i = 1; i <= 20; i++) a.arrived({ signedMs: 20 + i, hereMs: 90 + i, slackMs: 250 - 15 * i });
  expect(a.report(reading(5_000), "t")).toMatchObject({ verified: 20, late: 4, slack: 100, leastSlack: -35, signed50: 30, signed95: 39, here50: 100, here95: 109 });
  expect(a.report(reading(10_000), "t")).toMatchObject({ verified: 0, late: 0, slack: 0, here50: 0 });
});

test("a piece before anything played was not late, and a page that slept for long keeps no more than it can tell", () => {
  const arrivals = new Arrivals();
  arrivals.add({ signedMs: 5, hereMs: 7, slackMs: null });
  expect(arrivals.take()).toMatchObject({ pieces: 1, late: 0, slack: 0, here50: 7 });
  for (let i = 0; i < 100_000; i++) arrivals.add({ signedMs: 5, hereMs: i < 99_000 ? 1_000 : 7, slackMs: 10 });
  expect(arrivals.take()).toMatchObject({ pieces: 100_000, here95: 7, slack: 10 });
});
