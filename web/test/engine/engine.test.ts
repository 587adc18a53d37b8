import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Bytes, equal } from "../../player/bytes.ts";
import { envelopeFrom } from "../../player/dsse.ts";
import { Engine } from "../../player/engine/engine.ts";
import { Host } from "../../player/engine/host.ts";
import { type Begin, buffers, type Command, type Event } from "../../player/engine/protocol.ts";
import { Author } from "../swarm/mesh.ts";
import { fakeWire } from "./world.ts";

let author: Author;
beforeEach(() => void (author = new Author()));

const begin = (wants = ["v0"]): Command => {
  const { stream, genesis, record } = author;
  const with_: Begin = {
    ...{ stream, name: "film", base: "http://origin.test/", genesis: envelopeFrom(genesis), records: [envelopeFrom(record)] },
    ...{ infohash: new Uint8Array(20), peerId: new Uint8Array(20), up: 10e6, wants, origin: false },
  };
  return { do: "begin", with: with_ };
};

/** A worker as the page sees one: the engine's other half behind messages that are cloned and handed over. */
class TestWorker {
  static all: TestWorker[] = [];
  onmessage: ((e: MessageEvent<Event[]>) => void) | null = null;
  onmessageerror: (() => void) | null = null;
  onerror: ((e: ErrorEvent) => void) | null = null;
  terminated = false;
  readonly received: Command[] = [];
  private readonly channel = new MessageChannel();
  private readonly host = new Host(fakeWire, (events) => this.channel.port1.postMessage(events, buffers(events)));

  constructor(loads: boolean) {
    TestWorker.all.push(this);
    this.channel.port1.onmessage = (e: MessageEvent<Command[]>) => {
      this.received.push(...e.data);
      this.host.take(e.data);
    };
    this.channel.port2.onmessage = (e: MessageEvent<Event[]>) => this.onmessage?.(e);
    if (loads) this.channel.port1.postMessage([]);
    else queueMicrotask(() => this.onerror?.({ message: "refused" } as ErrorEvent));
  }

  postMessage(commands: Command[], transfer: ArrayBuffer[]): void {
    this.channel.port2.postMessage(commands, transfer);
  }

  terminate(): void {
    this.terminated = true;
    this.host.end();
    this.channel.port1.close();
  }
}

const engines: Engine[] = [];
afterEach(() => {
  for (const e of engines.splice(0)) e.close();
  for (const w of TestWorker.all.splice(0)) w.terminate();
});

type Events = { [Is in Event["is"]]?: ReturnType<typeof vi.fn<(e: Event) => void>> };

function engine(worker: () => Worker): { engine: Engine; on: Events } {
  const names = ["ready", "send", "close", "head", "piece", "warm", "stats", "trouble", "ended"] as const;
  const on: Events = {};
  for (const n of names) on[n] = vi.fn();
  const e = new Engine({ on: on as never, worker, makeWire: fakeWire });
  engines.push(e);
  return { engine: e, on };
}

const places: { where: string; worker: () => Worker }[] = [
  { where: "in a worker", worker: () => new TestWorker(true) as unknown as Worker },
  {
    where: "in the page where a worker cannot be made",
    worker: () => {
      throw new DOMException("cross-origin", "SecurityError");
    },
  },
  { where: "in the page where the rules let no worker load", worker: () => new TestWorker(false) as unknown as Worker },
];

test.each(places)("two engines that run $where bring a page what the other's has", async ({ worker }) => {
  const [a, b] = [engine(worker), engine(worker)];
  // What each tells the other waits until both are there, as a data channel's bytes do.
  a.on.send!.mockImplementation((e) => b.engine.tell({ do: "data", conn: 1, bytes: (e as Extract<Event, { is: "send" }>).bytes }));
  b.on.send!.mockImplementation((e) => a.engine.tell({ do: "data", conn: 1, bytes: (e as Extract<Event, { is: "send" }>).bytes }));
  for (const [s, initiator] of [[a, true], [b, false]] as const) {
    s.engine.tell(begin());
    s.engine.tell({ do: "opened", conn: 1, initiator });
  }
  const p = new Author().piece(0, 100); // of another stream: it goes nowhere
  a.engine.tell({ do: "piece", envelope: p.envelope, bytes: p.data });
  const mine = author.piece(0, 50_000);
  a.engine.tell({ do: "piece", envelope: mine.envelope, bytes: mine.data.slice() });
  await vi.waitFor(() => expect(b.on.piece).toHaveBeenCalled(), 4_000);
  const got = b.on.piece!.mock.calls[0]![0] as Extract<Event, { is: "piece" }>;
  expect(equal(got.bytes, mine.data)).toBe(true);
  expect(b.on.ready).toHaveBeenCalledTimes(1);
  b.engine.tell({ do: "end" });
  await vi.waitFor(() => expect(b.on.ended).toHaveBeenCalled(), 2_000);
  expect(b.on.trouble).not.toHaveBeenCalled();
});

test("bytes are handed over, not copied, and a view of a larger buffer takes only itself along", async () => {
  const { engine: e } = engine(() => new TestWorker(true) as unknown as Worker);
  const whole = new Uint8Array(16_000);
  const large: Bytes = new Uint8Array(64_000);
  e.tell({ do: "data", conn: 1, bytes: whole });
  e.tell({ do: "data", conn: 2, bytes: large.subarray(100, 200) });
  await vi.waitFor(() => expect(TestWorker.all[0]!.received.length).toBe(2));
  expect(whole.length).toBe(0); // it is the engine's now
  expect(large.length).toBe(64_000);
  expect(TestWorker.all[0]!.received.map((c) => (c as { bytes: Bytes }).bytes.buffer.byteLength)).toEqual([16_000, 100]);
});

test("a worker that dies is told of once, and the page's calls do nothing from then on", async () => {
  const { engine: e, on } = engine(() => new TestWorker(true) as unknown as Worker);
  e.tell(begin());
  await vi.waitFor(() => expect(on.ready).toHaveBeenCalled());
  const w = TestWorker.all[0]!;
  w.onerror!({ message: "out of memory" } as ErrorEvent);
  w.onerror!({ message: "out of memory" } as ErrorEvent);
  const count = w.received.length;
  for (let i = 0; i < 5_000; i++) e.tell({ do: "setSwarm", peers: i });
  await Promise.resolve();
  expect(w.received.length).toBe(count);
  expect(w.terminated).toBe(true);
  expect(on.trouble).toHaveBeenCalledTimes(1);
  const { sentence } = on.trouble!.mock.calls[0]![0] as Extract<Event, { is: "trouble" }>;
  expect(sentence).toContain("Video comes from the server alone.");
});

test("a genesis of another stream is no stream to take part in", async () => {
  const { engine: e, on } = engine(() => new TestWorker(true) as unknown as Worker);
  const b = begin() as Extract<Command, { do: "begin" }>;
  e.tell({ do: "begin", with: { ...b.with, stream: "a".repeat(32) } });
  await vi.waitFor(() => expect(on.trouble).toHaveBeenCalledTimes(1));
  expect(on.ready).not.toHaveBeenCalled();
  expect(TestWorker.all[0]!.terminated).toBe(true);
});

test("a worker that never comes does not let commands pile up without end", () => {
  const { engine: e, on } = engine(() => ({ postMessage: () => undefined, terminate: () => undefined }) as unknown as Worker);
  for (let i = 0; i < 10_000; i++) e.tell({ do: "setSwarm", peers: i });
  expect(on.trouble).toHaveBeenCalledTimes(1);
});
