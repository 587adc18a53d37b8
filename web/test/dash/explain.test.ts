import { describe, expect, test } from "vitest";
import { neighbours, reportsOf, stalls, story, type Report } from "../../dash/explain.ts";

process.env["TZ"] = "UTC";
const at = Date.UTC(2026, 10, 28, 10, 2, 13) / 1_000;

/** A report of five good seconds, changed. */
function report(change: Partial<Report> = {}): Report {
  return {
    at, state: "playing", turned: false, intervalMs: 5_000, dryMs: 0, stalls: 0, startMs: 0, bufferMs: 500, delayMs: 700, bitrateKbps: 1_200, measuredKbps: 3_000,
    hidden: false, peers: 5, swaps: 0, late: 0, rejected: 0, falseBlocks: 0, peer: 600, seed: 100, edge: 50, origin: 0,
    neighbours: [{ id: "1a2b3c4d", kind: "peer", rttMs: 20, kbps: 900, late: 0 }],
    ...change,
  };
}
const stalled = (change: Partial<Report> = {}) => report({ state: "stalled", turned: true, stalls: 1, dryMs: 1_100, ...change });
const late = (id: string, kind: string, n: number) => ({ id, kind, rttMs: 10, kbps: 100, late: n });
const said = (...reports: Report[]) => stalls(reports).map((s) => s.words.replaceAll("\u00a0", " "));

describe("why did it stall?", () => {
  test("a late parent and the origin's part are named", () => {
    expect(said(report(), stalled({ peer: 300, seed: 100, edge: 0, origin: 267, neighbours: [late("1a2b3c4d", "peer", 14), late("90ab12cd", "seed", 2)] }), report())).toEqual([
      "The buffer ran dry at 10:02:13, for 1.1 s, while the viewer 1a2b3c4d was late with 14 blocks and the origin delivered 40 %.",
    ]);
  });

  test("each cause that reports tell of is said", () => {
    expect(said(stalled({ peer: 0, seed: 0, edge: 0 }))[0]).toContain("while nothing arrived.");
    expect(said(stalled({ measuredKbps: 800 }))[0]).toContain("while the line brought 800 kbit/s, less than the 1.2 Mbit/s of the picture.");
    expect(said(stalled({ peers: 0 }))[0]).toContain("no peer was connected");
    expect(said(stalled({ rejected: 1 }))[0]).toContain("one delivery was false and thrown away");
    expect(said(stalled({ swaps: 2, hidden: true }))[0]).toContain("while 2 parents were exchanged and the page was hidden, which browsers slow down.");
    expect(said(stalled({ neighbours: [late("ed6e0001", "edge", 1)] }))[0]).toContain("the edge ed6e0001 was late with a block");
  });

  test("where reports say nothing, that is said", () => {
    expect(said(stalled())).toEqual(["The buffer ran dry at 10:02:13, for 1.1 s; the reports do not say why."]);
  });

  test("reports that follow each other tell of one stall, those apart of two", () => {
    const long = [stalled({ dryMs: 900 }), report({ at: at + 5, dryMs: 2_000, state: "playing" })];
    expect(said(...long, report({ at: at + 10 }), stalled({ at: at + 15, dryMs: 300 }))).toEqual([
      "The buffer ran dry at 10:02:13, for 2.9 s; the reports do not say why.",
      "The buffer ran dry at 10:02:28, for 0.3 s; the reports do not say why.",
    ]);
    expect(stalls([report({ dryMs: 400, stalls: 1 })])[0]!.words).toContain("between 10:02:08 and 10:02:13");
  });

  test("a visit is told in a sentence", () => {
    const start = report({ startMs: 640, at: at - 5 });
    const plain = (...r: Report[]) => story(r).replaceAll("\u00a0", " ");
    expect(plain(start, report())).toBe("The first picture came after 0.6 s, and the picture never stood.");
    expect(plain(start, stalled())).toBe("The first picture came after 0.6 s; then the picture stood once, for 1.1 s.");
    expect(plain(start, stalled(), report({ at: at + 5 }), stalled({ at: at + 10 }))).toBe("The first picture came after 0.6 s; then the picture stood 2 times, for 2.2 s in all.");
    expect(plain(report(), report({ at: at + 7 }))).toBe("No first picture was reported in 7.0 s.");
    expect(plain()).toBe("There are no reports of this visit: they may have gone of age.");
  });
});

test("neighbours are summed over the reports that tell of them", () => {
  const reports = [report({ neighbours: [late("a", "peer", 1), late("b", "seed", 0)] }), report({ neighbours: [{ ...late("a", "peer", 2), rttMs: 30 }] })];
  expect(neighbours(reports)).toEqual([
    { id: "a", kind: "peer", rttMs: 20, kbps: 100, late: 3, told: 2 },
    { id: "b", kind: "seed", rttMs: 10, kbps: 100, late: 0, told: 1 },
  ]);
});

test("reports are read from what the server answers", () => {
  const columns = ["at", "state", "event", "dry_ms", "neighbour_id", "neighbour_kind", "neighbour_rtt_ms", "neighbour_kbps", "neighbour_late"];
  const [r] = reportsOf({ columns, rows: [["2026-11-28T10:02:13Z", "stalled", "ps", 900, ["1a2b3c4d"], ["peer"], [20], [900], [3]]], from: 0, to: 0, step: 0 });
  expect(r).toMatchObject({ at, state: "stalled", turned: true, dryMs: 900, peers: 0, neighbours: [{ id: "1a2b3c4d", kind: "peer", rttMs: 20, kbps: 900, late: 3 }] });
});
