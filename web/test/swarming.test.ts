// The page's part in the swarm, with an engine that says what the test wants it to.
import { beforeEach, expect, test, vi } from "vitest";
import { Fork } from "../player/book.ts";
import { envelopeFrom } from "../player/dsse.ts";
import type { EngineOptions } from "../player/engine/engine.ts";
import type { Command } from "../player/engine/protocol.ts";
import { Swarming, type SwarmingOptions } from "../player/swarming.ts";
import { Author } from "./swarm/mesh.ts";

const met = vi.hoisted(() => ({ did: [] as string[], engines: [] as { o: EngineOptions; told: Command[]; closed: boolean }[] }));
vi.mock("../player/engine/engine.ts", () => ({
  Engine: class {
    readonly told: Command[] = [];
    closed = false;
    constructor(readonly o: EngineOptions) {
      met.engines.push(this);
    }
    tell(command: Command): void {
      this.told.push(command);
    }
    close(): void {
      this.closed = true;
    }
  },
}));
vi.mock("../player/rtc/peering.ts", () => ({
  Peering: class {
    readonly did: string[] = met.did;
    start(): void {}
    stats(): Promise<[]> {
      return Promise.resolve([]);
    }
    withdraw(): void {
      this.did.push("withdraw");
    }
    leave(): void {
      this.did.push("leave");
    }
  },
}));

beforeEach(() => void (met.engines.length = met.did.length = 0));

function join(fields: Partial<SwarmingOptions> = {}) {
  const author = new Author();
  const on = { head: vi.fn(), brought: vi.fn(), gave: vi.fn(), record: vi.fn(), warm: vi.fn(), fork: vi.fn() };
  const swarming = new Swarming({
    ...{ stream: author.stream, name: "film", base: new URL("http://origin.test/"), genesis: envelopeFrom(author.genesis), records: [] },
    ...{ trackers: [], iceServers: [], relayOnly: false, up: 0, rendition: "v0", renditions: ["v0"], from: { epoch: 1, n: 0 }, on, ...fields },
  });
  return { swarming, on, engine: met.engines[0]! };
}

const warmth = (yes: boolean) => ({ is: "warm", warm: { r: "v0", warm: yes } }) as never;

test("two histories that the swarm shows are told as what they are, and where", () => {
  const { on, engine } = join();
  engine.o.on.fork!({ is: "fork", fork: { kind: "fork", r: "v0", at: { epoch: 1, n: 7 }, known: "aa".repeat(32), seen: "bb".repeat(32), envelopes: [] } });
  const [err] = on.fork.mock.calls[0] as [Error];
  expect(err).toBeInstanceOf(Fork);
  expect(err.message).toMatch(/v0 has two histories at 1\/7: aaaa.* and bbbb.* are both signed/);
});

test("who leaves asks its server for what comes next at once, and hears nothing of the swarm it left", () => {
  vi.useFakeTimers();
  const { swarming, on, engine } = join();
  engine.o.on.warm!(warmth(true));
  swarming.leave();
  expect(on.warm.mock.calls).toEqual([[true], [false]]);
  vi.advanceTimersByTime(10_000);
  expect(on.warm).toHaveBeenCalledTimes(2);
  expect(engine.closed).toBe(true);
  vi.useRealTimers();
});

test("who leaves meets nobody from then on, and is connected a moment longer so that others are sent elsewhere", () => {
  vi.useFakeTimers();
  const { swarming, on, engine } = join();
  swarming.leave();
  expect(met.did).toEqual(["withdraw"]);
  engine.o.on.warm!(warmth(true)); // said while it takes its leave
  expect(on.warm).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1_000);
  expect(met.did).toEqual(["withdraw", "leave"]);
  vi.useRealTimers();
});

test("a piece that is waited for is handed over when the swarm brings it, however late, and no longer once nobody waits", async () => {
  const { swarming, engine } = join();
  const waits = new AbortController();
  const late = swarming.whenHere("v0", { epoch: 1, n: 3 }, waits.signal);
  const never = swarming.whenHere("v0", { epoch: 1, n: 4 }, waits.signal);
  engine.o.on.piece!({ is: "piece", key: { r: "v0", epoch: 1, n: 3 }, bytes: new Uint8Array([7]), by: {} } as never);
  expect(await late).toEqual(new Uint8Array([7]));
  waits.abort();
  expect(await never).toBeNull();
});

const figures = (rejected: number) => ({ is: "stats", figures: { sent: 0, peers: [], rejected, duplicate: 5, swaps: 1 } }) as never;

test("an engine that fell silent is not relied on, one that broke has no peers, and what they counted stays counted", async () => {
  vi.useFakeTimers();
  const { swarming, on, engine } = join();
  engine.o.on.stats!(figures(2));
  engine.o.on.warm!(warmth(true));
  vi.advanceTimersByTime(6_000);
  expect(on.warm.mock.calls).toEqual([[true], [false]]);
  engine.o.on.warm!(warmth(true)); // it speaks again
  expect(swarming.warm).toBe(true);
  engine.o.on.trouble!({ is: "trouble", sentence: "it broke" } as never);
  expect(swarming.warm).toBe(false);
  expect(swarming.figures).toBeNull();
  expect(swarming.counts).toEqual({ rejected: 2, duplicate: 5, swaps: 1 });
  vi.useRealTimers();
});

test("a cap on memory is shared between what is kept for others and for the player", () => {
  const { engine } = join({ maxBytes: 8_000_000 });
  const begin = engine.told.find((o) => o.do === "begin");
  expect(begin?.with.maxBytes).toBe(6_000_000);
});
