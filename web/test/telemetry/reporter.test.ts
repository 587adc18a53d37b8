// When reports are made and how they are brought, in virtual time.
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Wire } from "../../player/telemetry/courier.ts";
import { telling } from "../../player/telemetry/permission.ts";
import type { Answer } from "../../player/telemetry/post.ts";
import { newSession, Reporter } from "../../player/telemetry/reporter.ts";
import type { PlayState } from "../../player/telemetry/report.ts";
import { Schedule } from "../../player/telemetry/schedule.ts";
import { reading, visit } from "./readings.ts";

const tickMs = 100;

afterEach(() => void vi.restoreAllMocks());

/** A player for a while, beside a bus and a collector. */
class Run {
  now = 0;
  state: PlayState = "p";
  wire: Wire | null = null;
  answers = true; // the bus answers
  said: Answer = "kept";
  readonly published: string[] = [];
  readonly posted: string[][] = [];
  readonly last: string[][] = [];
  readonly reporter: Reporter;

  constructor() {
    vi.spyOn(Math, "random").mockReturnValue(0.5); // the middle of all that is left to chance
    this.reporter = new Reporter(0, {
      ...{ visit, read: (now) => reading(now, { state: this.state }), wire: () => this.wire, postLast: (lines) => void this.last.push([...lines]) },
      post: async (lines) => {
        this.posted.push([...lines]);
        return this.said;
      },
    });
  }

  connect(): void {
    this.wire = {
      publish: (line) => {
        this.published.push(line);
        if (this.answers) queueMicrotask(() => this.reporter.answered(true, this.now));
        return true;
      },
    };
  }

  async until(ms: number): Promise<this> {
    for (; this.now < ms; this.now += tickMs) {
      this.reporter.tick(this.now, this.state);
      for (let i = 0; i < 8; i++) await Promise.resolve();
    }
    return this;
  }
}

const numbers = (lines: string[]) => lines.map((line) => Number(/,sn=(\d+)/.exec(line)![1]));
const states = (lines: string[]) => lines.map((line) => /,sta=(.)/.exec(line)![1]).join("");

describe("when", () => {
  test("a report is due every five seconds, the first at a moment of chance", async () => {
    const run = new Run();
    run.connect();
    await run.until(33_000);
    expect(run.published).toHaveLength(7); // 2.5 s, 7.5 s, …, 32.5 s
    expect(numbers(run.published)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test("a change of state is reported at once and begins the interval anew, but no more than one a second", () => {
    const s = new Schedule(0, "s", () => 0.5);
    expect(s.due(1_000, "p")).toBe("ps");
    expect(s.due(1_500, "r")).toBeNull();
    expect(s.due(2_000, "r")).toBe("ps");
    expect(s.due(6_900, "r")).toBeNull();
    expect(s.due(7_000, "r")).toBe("t");
    let made = 0;
    for (let now = 10_000; now < 20_000; now += 50) if (s.due(now, now % 100 === 0 ? "p" : "r")) made++;
    expect(made).toBe(10);
  });

  test("viewers that see the same change at the same moment do not report in step from then on", () => {
    const dueAt = (random: number) => {
      const s = new Schedule(0, "s", () => random);
      s.due(1_000, "p");
      for (let now = 1_000; ; now += 10) if (s.due(now, "p")) return now;
    };
    expect([dueAt(0), dueAt(0.999)]).toEqual([5_000, 7_000]);
  });

  test("a stream that has not begun is reported once", () => {
    const s = new Schedule(0, "p", () => 0);
    expect(s.due(1_000, "w")).toBe("ps");
    expect([5_000, 60_000, 600_000].map((now) => s.due(now, "w"))).toEqual([null, null, null]);
  });
});

describe("how", () => {
  test("without an answer a report is sent again, in order, and none twice that was answered", async () => {
    const run = new Run();
    run.connect();
    run.answers = false;
    await run.until(14_000);
    expect(numbers(run.published)).toEqual([0, 0, 0]); // at 2.5, 7.5 and 12.5 s
    run.answers = true;
    await run.until(19_000);
    expect(numbers(run.published)).toEqual([0, 0, 0, 0, 1, 2, 3]);
    expect(run.posted).toEqual([]);
  });

  test("a connection that is new is told at once what the one before did not answer", async () => {
    const run = new Run();
    run.connect();
    run.answers = false;
    await run.until(3_000);
    run.wire = null;
    await run.until(4_000);
    run.answers = true;
    run.connect();
    await run.until(4_200);
    expect(numbers(run.published)).toEqual([0, 0]);
  });

  test("where there is no NATS, six reports go by HTTP every half minute", async () => {
    const run = await new Run().until(95_000);
    expect(run.posted.map((lines) => lines.length)).toEqual([6, 6, 6]);
    expect(numbers(run.posted.flat())).toEqual([...Array(18).keys()]);
  });

  test("a NATS that takes reports and never answers is passed by", async () => {
    const run = new Run();
    run.connect();
    run.answers = false;
    await run.until(35_000);
    expect(numbers(run.posted.flat())).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test("what a collector will never take is not sent to it again; what it will take later is", async () => {
    const run = new Run();
    run.said = "refused";
    await run.until(31_000);
    run.said = "later";
    await run.until(61_000);
    run.said = "kept";
    await run.until(91_000);
    expect(run.posted.map((lines) => numbers(lines)[0])).toEqual([0, 6, 6, 12]);
    expect(run.reporter.dropped).toBe(6);
  });

  test("of reports that cannot be sent, a minute's is kept", async () => {
    const run = new Run();
    run.said = "later";
    await run.until(600_000);
    run.connect();
    await run.until(601_000);
    expect(run.published).toHaveLength(12);
    expect(numbers(run.published).at(-1)).toBe(119);
    expect(run.reporter.dropped).toBe(108);
  });

  test("at the end all that was not received goes at once, with a report that says so", async () => {
    const run = await new Run().until(13_000);
    run.reporter.end(13_000);
    run.reporter.end(13_000);
    expect(run.last).toHaveLength(1);
    expect(numbers(run.last[0]!)).toEqual([0, 1, 2, 3]);
    expect(states(run.last[0]!)).toBe("pppq");
    await run.until(100_000);
    expect(run.posted).toEqual([]);
  });

  test("who is asked to be silent sends nothing more, not even what was made before", async () => {
    const run = await new Run().until(13_000);
    run.reporter.silence();
    run.connect();
    await run.until(100_000);
    run.reporter.end(run.now);
    expect([run.published, run.posted, run.last]).toEqual([[], [], []]);
  });
});

test("each visit has a name of its own, made by chance", () => {
  const names = Array.from({ length: 100 }, newSession);
  for (const name of names) expect(name).toMatch(/^[a-z2-7]{26}$/);
  expect(new Set(names).size).toBe(100);
});

test("nothing is told unless operator, embedder, viewer and browser agree", () => {
  const all = { operator: true, embedder: true, viewer: true, privacyControl: false };
  expect(telling(all)).toBe("on");
  expect(telling({ ...all, operator: false })).toBe("none");
  expect(telling({ ...all, embedder: false })).toBe("none");
  expect(telling({ ...all, viewer: false })).toBe("off");
  expect(telling({ ...all, privacyControl: true })).toBe("forbidden");
});
