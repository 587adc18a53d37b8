import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { equal } from "../../player/bytes.ts";
import { blockSize } from "../../player/merkle.ts";
import { epoch, type Seat, World } from "./world.ts";

vi.setConfig({ testTimeout: 60_000 });

let world: World;
beforeEach(() => void (world = new World()));
afterEach(() => world.end());

/** A seed and two engines, connected with each other. */
async function three(fields = {}) {
  const seed = await world.seed();
  const [a, b] = [await world.seat(fields), await world.seat(fields)];
  world.connect(a, seed);
  world.connect(b, seed);
  world.connect(a, b);
  return { seed, a, b };
}

const failures = (...seats: Seat[]) => seats.flatMap((s) => (s.failed ? [s.failed] : []));

test("tabs that are connected bring each other every piece, byte for byte, and its verified entry before it", async () => {
  const { seed, a, b } = await three();
  await world.live(seed, 10);
  const made = await world.live(seed, 10);
  await world.run(500);
  for (const s of [a, b]) {
    for (const p of made) {
      const { n } = p.head.entry;
      expect(equal(s.piece(n)!, p.data), `piece ${n}`).toBe(true);
      const at = (is: string) => s.events.findIndex((e) => (e.is === "head" && is === "head" && e.entry.n === n) || (e.is === "piece" && is === "piece" && e.key.n === n));
      expect(at("head")).toBeGreaterThanOrEqual(0);
      expect(at("head")).toBeLessThan(at("piece"));
    }
  }
  const { figures } = a.last("stats")!;
  expect(figures.peers.map((p) => p.role).sort()).toEqual(["seed", "viewer"]);
  expect(figures.bytes.peer + figures.bytes.seed).toBeGreaterThan(10 * 40_000);
  expect(figures.peers.some((p) => p.down > 0)).toBe(true);
  expect(a.last("stats")!.figures.sent + b.last("stats")!.figures.sent).toBeGreaterThan(0);
  expect(failures(a, b)).toEqual([]);
});

test("the page is told when it may leave the next piece to the swarm, and when that ends", async () => {
  const { seed, a } = await three();
  await world.live(seed, 25);
  const warm = a.last("warm")!.warm;
  expect(warm.warm).toBe(true);
  expect(warm.parents).toBe(5);
  expect(warm.expected! - (performance.timeOrigin + performance.now())).toBeGreaterThan(-200);
  await world.run(600);
  expect(a.last("warm")!.warm.warm).toBe(false);
});

test("a turn's events come together, in buffers that can be handed over: a block costs the page no message of its own", async () => {
  const { seed, a } = await three();
  await world.live(seed, 10);
  const before = a.turns;
  const s = world.stranger();
  world.connect(a, s);
  await world.run(5);
  const [p] = world.make(60_000) as [ReturnType<World["play"]>];
  s.say(p.head, ...[0, 1, 2, 3].map((i) => ({ type: "Block" as const, r: "v0", epoch, n: 10, index: i, data: p.data.slice(i * blockSize, (i + 1) * blockSize) })));
  await world.run(5);
  expect(equal(a.piece(10)!, p.data)).toBe(true);
  expect(a.turns - before).toBeLessThanOrEqual(6);
  for (const e of a.all("send")) {
    expect(e.bytes.length).toBeLessThanOrEqual(16 << 10);
    expect(e.bytes.length).toBe(e.bytes.buffer.byteLength);
  }
});

test("what neither came by lanes nor peers have is asked of the origin in one range, and only what is missing", async () => {
  const seed = await world.seed();
  const a = await world.seat({ origin: true });
  const s = world.stranger();
  world.connect(a, s);
  const p = world.play(seed, 60_000);
  const ranges: string[] = [];
  world.origin = (_, init) => {
    const range = new Headers(init.headers).get("Range")!;
    ranges.push(range);
    const [from, to] = range.slice(6).split("-").map(Number) as [number, number];
    return new Response(p.data.slice(from, to + 1), { status: 206, headers: { "Content-Range": `bytes ${from}-${to}/60000` } });
  };
  await world.run(50);
  a.loop.follow("v0", { epoch, n: 0 });
  s.say(p.head, { type: "Block", r: "v0", epoch, n: 0, index: 0, data: p.data.slice(0, blockSize) });
  await world.run(2_000);
  expect(world.asked).toEqual([`http://origin.test/live/film/v0/${epoch}/0.m4s`]);
  expect(ranges).toEqual([`bytes=${blockSize}-59999`]);
  expect(equal(a.piece(0)!, p.data)).toBe(true);
  expect(a.all("piece")[0]!.by).toEqual({ peer: blockSize, seed: 0, edge: 0, origin: 60_000 - blockSize });
});

test("false bytes of the origin are played by nobody, and the next question goes past caches", async () => {
  const seed = await world.seed();
  const a = await world.seat({ origin: true });
  const s = world.stranger();
  world.connect(a, s);
  const p = world.play(seed, 30_000);
  const caches: unknown[] = [];
  world.origin = (_, init) => {
    caches.push(init.cache);
    return new Response(caches.length === 1 ? new Uint8Array(30_000) : p.data);
  };
  await world.run(50);
  a.loop.follow("v0", { epoch, n: 0 });
  s.say(p.head);
  await world.run(3_000);
  expect(caches).toEqual(["default", "reload"]);
  expect(a.all("refused").map((e) => e.why)).toEqual(["false"]);
  expect(equal(a.piece(0)!, p.data)).toBe(true);
});

test("an origin that is down is asked a few times a second at most, and only for what the page does not ask for itself", async () => {
  const seed = await world.seed();
  const a = await world.seat({ origin: true });
  const s = world.stranger();
  world.connect(a, s);
  world.origin = () => new Response("", { status: 503 });
  await world.run(50);
  a.loop.follow("v0", { epoch, n: 0 });
  a.loop.askingFor({ r: "v0", epoch, n: 0 }, true);
  s.say(world.play(seed).head);
  await world.run(3_000);
  expect(world.asked).toEqual([]);
  for (let i = 0; i < 20; i++) s.say(world.play(seed).head);
  await world.run(10_000);
  expect(world.asked.length).toBeGreaterThan(3);
  expect(world.asked.length).toBeLessThan(80);
});

test("what the page brings from the origin goes to others, is not told to the page again, and false bytes of it go nowhere", async () => {
  const seed = await world.seed();
  const [a, b] = [await world.seat(), await world.seat()];
  world.connect(a, b);
  await world.run(100);
  const made = Array.from({ length: 5 }, () => world.play(seed));
  for (const p of made) await a.loop.piece(p.envelope, p.data);
  const lie = world.play(seed);
  await a.loop.piece(lie.envelope, lie.data.map((v, i) => (i === 100 ? v ^ 1 : v)));
  await world.run(2_000);
  for (const p of made) expect(equal(b.piece(p.head.entry.n)!, p.data)).toBe(true);
  expect(b.piece(lie.head.entry.n)).toBeUndefined();
  expect(a.all("head")).toEqual([]);
  expect(a.all("piece")).toEqual([]);
});

test("a page that goes over to another rendition has it from the next piece on", async () => {
  const seed = await world.seed();
  const [a, b] = [await world.seat({ others: ["v1"] }), await world.seat()];
  for (const s of [a, b]) world.connect(s, seed);
  world.connect(a, b);
  await world.live(seed, 10, "v0", "v1");
  a.loop.want("v1", true);
  await world.live(seed, 8, "v0", "v1");
  a.loop.want("v0", false);
  await world.live(seed, 8, "v0", "v1");
  await world.run(500);
  for (let n = 12; n < 26; n++) expect(a.piece(n, "v1"), `piece ${n}`).toBeDefined();
  for (let n = 20; n < 26; n++) expect(a.piece(n), `piece ${n}`).toBeUndefined();
  expect(a.last("warm")!.warm.r).toBe("v1");
});

test("a machine that slept for a minute goes on: no burst of work, and the stream comes again once somebody is connected", async () => {
  const { seed, a, b } = await three();
  await world.live(seed, 10);
  const before = a.events.length;
  vi.setSystemTime(Date.now() + 60_000); // as it is where timers stood still: nothing in between was done
  const now = performance.now.bind(performance);
  const jump = vi.spyOn(performance, "now").mockImplementation(() => now() + 60_000);
  await world.run(100);
  expect(a.events.length - before).toBeLessThan(60);
  world.connect(a, seed);
  world.connect(a, b);
  const made = await world.live(seed, 10);
  await world.run(500);
  expect(failures(a, b)).toEqual([]);
  for (const p of made.slice(5)) expect(a.piece(p.head.entry.n)).toBeDefined();
  jump.mockRestore();
});

test("who leaves sends children elsewhere before it closes its connections", async () => {
  const { seed, a, b } = await three();
  await world.live(seed, 10);
  a.loop.end();
  await world.live(seed, 3);
  expect(a.last("ended")).toBeDefined();
  expect(a.all("close").length).toBe(2);
  const made = await world.live(seed, 5);
  await world.run(500);
  for (const p of made) expect(b.piece(p.head.entry.n)).toBeDefined();
  const count = a.events.length;
  await world.run(3_000);
  expect(a.events.length).toBe(count);
});
