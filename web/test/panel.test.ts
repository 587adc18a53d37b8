// What the panel says and where it draws, without a browser.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressOf, pageOf } from "../player/address.ts";
import { Meter } from "../player/meter.ts";
import { angles, distance, point, room, thickness } from "../player/ui/places.ts";
import { bars } from "../player/ui/sources-chart.ts";
import { bytes, lastMinute, modeWords, Names, percents, rate, remark, summary } from "../player/ui/words.ts";
import type { View } from "../player/view.ts";
import { minute, servers, swarming, viewers } from "./support/view.ts";

const full = swarming({} as View);
const view = (v: Partial<View>, swarm: Partial<View["swarm"]> = {}): View => ({ ...full, ...v, swarm: { ...full.swarm, ...swarm } });
const second = { peer: 0, seed: 0, edge: 0, origin: 0, up: 0 };

describe("words", () => {
  test("one sentence says where the last minute came from and what was given", () => {
    const share = { ...second, peer: 82, origin: 18 };
    const five = { minute: [share], peers: viewers };
    expect(summary(view({}, { ...five, uploaded: 1_200_000 }))).toBe("82 % of the last minute came from 5 other viewers; you gave 1.2 MB.");
    expect(summary(view({}, { ...five, peers: viewers.slice(0, 1), uploaded: 0 }))).toBe("82 % of the last minute came from one other viewer; you have given nothing yet.");
    expect(summary(view({ mode: "download" }, { ...five, peers: [], uploaded: 0 }))).toBe("82 % of the last minute came from other viewers; you give nothing.");
    expect(summary(view({ mode: "edge" }, { peers: servers, uploaded: 0, minute: [{ ...second, origin: 9, seed: 1 }] }))).toBe(
      "All of the last minute came from this stream’s own servers; you give nothing.",
    );
    expect(summary(view({}, { minute: [{ ...second, peer: 5 }], peers: viewers, uploaded: 5 }))).toBe("All of the last minute came from 5 other viewers; you gave 5 B.");
    expect(summary(view({}, { minute: [] }))).toBe("Nothing has come yet.");
  });

  test("percents add up to a hundred, and what is there is never nothing", () => {
    fc.assert(
      fc.property(fc.record({ peer: fc.nat(), seed: fc.nat(), edge: fc.nat(), origin: fc.nat() }), (c) => {
        const p = percents(c);
        const all = c.peer + c.seed + c.edge + c.origin;
        expect(p.peer + p.seed + p.edge + p.origin).toBe(all === 0 ? 0 : 100);
        for (const s of ["peer", "seed", "edge", "origin"] as const) expect(p[s] > 0).toBe(c[s] > 0);
      }),
    );
  });

  test("every reason for doing less has a sentence, and doing all has none", () => {
    for (const limit of ["sensitive", "metered", "battery", "unsupported"] as const) expect(remark(view({ limit }))).toMatch(/\.$/);
    expect(remark(view({}, { state: "trouble", detail: "The tracker does not answer." }))).toBe("The tracker does not answer.");
    expect(remark(view({ most: "edge" }))).not.toBe("");
    expect(remark(full)).toBe("");
  });

  test("whoever would be seen by others is told so, and only they", () => {
    for (const mode of ["share", "download"] as const) expect(modeWords(mode, true).means).toContain("They see your IP address");
    for (const relay of [true, false]) expect(modeWords("edge", relay).means).toMatch(/(never see|No viewer sees) your IP address/);
  });

  test("figures are short", () => {
    expect([0, 999, 45_000, 1_234_567, 41e6, 2.5e9].map(bytes)).toEqual(["0 B", "999 B", "45 kB", "1.2 MB", "41 MB", "2.5 GB"]);
    expect([0, 640_000, 1_100_000, 25e6].map(rate)).toEqual(["0", "640 kbit/s", "1.1 Mbit/s", "25 Mbit/s"]);
  });

  test("a peer keeps its name as long as it stays, and no other gets it", () => {
    const names = new Names();
    const [a, b] = [viewers[0]!, viewers[1]!];
    expect([names.of(a), names.of(b), names.of(servers[0]!), names.of(a)]).toEqual(["viewer 1", "viewer 2", "seed 1", "viewer 1"]);
    names.keep([b]);
    expect([names.of(b), names.of(a)]).toEqual(["viewer 2", "viewer 3"]);
  });
});

describe("the chart", () => {
  test("draws a bar for what is there, inside its frame", () => {
    const b = bars(minute());
    expect(b.paths.peer.split("M").length).toBeGreaterThan(50);
    for (const path of Object.values(b.paths)) {
      for (const [, y, height] of path.matchAll(/ ([\d.]+)h[\d.]+v([\d.]+)/g)) {
        expect(Number(y)).toBeGreaterThanOrEqual(0);
        expect(Number(y) + Number(height)).toBeLessThanOrEqual(101);
      }
    }
    expect(lastMinute(full).up).toBeGreaterThan(0);
  });

  test("of nothing has no bars and no NaN", () => {
    for (const m of [[], [second], Array.from({ length: 60 }, () => second)]) expect(JSON.stringify(bars(m))).toBe(JSON.stringify({ paths: { peer: "", seed: "", edge: "", origin: "", up: "" }, base: 100, top: 120_000 }));
  });
});

describe("the picture", () => {
  test("who answers sooner stands nearer, and all stand inside", () => {
    expect([1, 10, 40, 150, 2_000, null].map(distance)).toEqual([...[1, 10, 40, 150, 2_000, null].map(distance)].sort((a, b) => a - b));
    fc.assert(
      fc.property(fc.double({ min: 0, max: 10, noNaN: true }), fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })), (angle, rtt) => {
        const { x, y } = point(angle, distance(rtt));
        expect(Math.abs(x)).toBeLessThan(room.x - 15);
        expect(Math.abs(y)).toBeLessThan(room.y - 15);
      }),
    );
  });

  test("nobody moves when others come and go, and no two stand in one place", () => {
    const ids = ["a", "b", "c", "d", "e", "f", "g"];
    const all = angles(ids, new Map());
    expect(new Set([...all.values()].map((a) => (((a / Math.PI + 4) % 2) * 1000).toFixed(0))).size).toBe(ids.length);
    const fewer = angles(["a", "c", "z"], all);
    expect([fewer.get("a"), fewer.get("c"), fewer.has("b")]).toEqual([all.get("a"), all.get("c"), false]);
  });

  test("lines grow with the rate and have a bound", () => {
    expect(thickness(0)).toBe(0);
    expect(thickness(2e6)).toBeGreaterThan(thickness(2e5));
    expect(thickness(1e12)).toBeLessThan(10);
  });
});

describe("the meter", () => {
  test("keeps the last sixty whole seconds and the sums of all", () => {
    const m = new Meter();
    m.add("origin", 100, 500);
    m.add("peer", 50, 1_500);
    m.give(7, 1_600);
    expect(m.minute(2_000)).toEqual([{ ...second, origin: 100 }, { ...second, peer: 50, up: 7 }]);
    expect(m.minute(4_000)).toHaveLength(4);
    m.add("peer", 9, 61_500);
    expect(m.minute(62_000)).toHaveLength(60);
    expect(m.minute(62_000)[0]).toEqual(second);
    expect(m.minute(62_000).at(-1)).toEqual({ ...second, peer: 9 });
    expect(m.minute(10_000_000)).toEqual(Array.from({ length: 60 }, () => second));
    expect([m.total, m.uploaded]).toEqual([{ peer: 59, seed: 0, edge: 0, origin: 100 }, 7]);
  });
});

describe("addresses", () => {
  test("a link to the page or the frame names base, stream and id", () => {
    expect(addressOf("https://h:1/x/live/demo#abc")).toEqual({ base: new URL("https://h:1/x/"), name: "demo", id: "abc" });
    expect(addressOf("http://h/embed/demo")).toEqual({ base: new URL("http://h/"), name: "demo", id: null });
    for (const bad of ["", "demo", "javascript:alert(1)//live/x", "ftp://h/live/demo", "https://h/live/", "https://h/live/a/b", "https://h/live/%E0%A4%A"]) expect(addressOf(bad), bad).toBeNull();
    expect(pageOf(addressOf("https://h/embed/demo#abc")!)).toBe("https://h/live/demo#abc");
    fc.assert(fc.property(fc.webUrl(), (u) => addressOf(u) === null || pageOf(addressOf(u)!).startsWith("http")), { numRuns: 30 });
  });
});
