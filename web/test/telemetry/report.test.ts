// Reports are the same line whichever language wrote them, and one that others read.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import fc from "fast-check";
import { parseDictionary } from "structured-headers";
import { expect, test } from "vitest";
import { lineOf, type Report } from "../../player/telemetry/report.ts";

const testdata = resolve(import.meta.dirname, "../../../event/testdata");
const stream = "k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2";
const session = "abcdefghij0123456789klmnop";
const visit = { stream, session, at: 1_732_780_000_123 };

/** As in event/report_test.go. */
const reports: Record<string, Report> = {
  full: {
    ...{ ...visit, n: 119, event: "ps", state: "r", format: "h", type: "ll", bitrate: 4_500, top: 6_000, buffer: 340, measured: 18_250, start: 1_180 },
    ...{ delay: 1_640, dropped: 12, hidden: true, starved: true, dryMs: 730, slack: 212 },
    ...{ reporter: "page", interval: 5_000, peerBytes: 2_412_345, seedBytes: 223_456, edgeBytes: 98_765, originBytes: 45_678, duplicate: 16_384 },
    ...{ verified: 25, rejected: 1, falseBlocks: 2, late: 3, leastSlack: -40, stalls: 1, played: 4_270, wanted: 5_000, given: 1_398_123, uplink: 20_000 },
    ...{ peers: 17, swaps: 2, signed50: 21, signed95: 48, here50: 92, here95: 190, consent: "share", rendition: "v0", region: "eu-west", class: "chrome-desktop" },
    neighbours: [
      { id: "1a2b3c4d", kind: "peer", rtt: 12, goodput: 820, late: 1 },
      { id: "00ff00ff", kind: "peer", rtt: 43, goodput: 640 },
      { id: "deadbeef", kind: "edge", rtt: 8, goodput: 320 },
      { id: "01234567", kind: "seed", rtt: 31, goodput: 180 },
    ],
  },
  usual: {
    ...{ ...visit, n: 12, event: "t", state: "p", format: "h", type: "ll", bitrate: 904, buffer: 340, measured: 8_250, delay: 640, slack: 240 },
    ...{ reporter: "page", interval: 5_000, peerBytes: 512_345, seedBytes: 43_456, verified: 25, leastSlack: 120, played: 5_000, wanted: 5_000 },
    ...{ given: 398_123, peers: 5, here50: 92, here95: 190, consent: "share", rendition: "v0", region: "local", class: "chrome-desktop" },
    neighbours: [
      { id: "1a2b3c4d", kind: "peer", rtt: 12, goodput: 820 },
      { id: "01234567", kind: "seed", rtt: 31, goodput: 70 },
    ],
  },
  seed: {
    ...{ ...visit, n: 0, event: "t", state: "p", reporter: "seed", interval: 5_000, verified: 25, given: 1_398_123, peers: 6 },
    ...{ signed50: 21, signed95: 48, here50: 4, here95: 9, rendition: "v0", region: "local" },
  },
};

test.each(Object.keys(reports))("a %s report is written as its golden file says", (kind) => {
  expect(`${lineOf(reports[kind]!)}\n`).toBe(readFileSync(resolve(testdata, `report_v1_${kind}.golden`), "utf8"));
});

test.each(Object.entries(reports))("a %s report is a dictionary of structured fields by another's reading", (_, report) => {
  const read = parseDictionary(lineOf(report));
  expect([...read.keys()].filter((key) => key !== "v")).toEqual([...read.keys()].filter((key) => key !== "v").sort());
  expect(read.get("cid")![0]).toBe(stream);
  expect(read.get("v")![0]).toBe(2);
  const [reporter, own] = read.get("com.shoalcast-r")!;
  expect([String(reporter), own.get("v")]).toEqual([report.reporter, 1]);
});

test("whatever was measured, the line can be read: fractions, nothing, too much and less than nothing", () => {
  const odd = fc.oneof(fc.double(), fc.integer(), fc.constant(undefined));
  fc.assert(
    fc.property(fc.record({ bitrate: odd, slack: odd, peerBytes: odd, leastSlack: odd, given: odd, buffer: odd }), odd, (numbers, rtt) => {
      const report = { ...reports["usual"]!, ...numbers, neighbours: [{ id: "00ff00ff", kind: "peer", rtt, goodput: rtt }] } as Report;
      const read = parseDictionary(lineOf(report));
      const of = (key: string) => read.get(key)?.[0] as number | undefined;
      expect(of("dl") ?? 0).toSatisfy(Number.isInteger);
      expect((read.get("com.shoalcast-r")![1].get("pe") as number | undefined) ?? 0).toBeGreaterThanOrEqual(0);
    }),
  );
});
