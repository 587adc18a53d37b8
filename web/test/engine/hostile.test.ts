import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Bytes, equal } from "../../player/bytes.ts";
import type { Message } from "../../player/swarm/messages.ts";
import { Author } from "../swarm/mesh.ts";
import { anyMessage } from "../swarm/messages.ts";
import { epoch, type Seat, type Seed, Stranger, World } from "./world.ts";

vi.setConfig({ testTimeout: 60_000 });

let world: World;
beforeEach(() => void (world = new World()));
afterEach(() => world.end());

/** A seed, two honest engines, and a stranger who is connected to the first of them. */
async function met() {
  const seed = await world.seed();
  const [a, b] = [await world.seat(), await world.seat()];
  world.connect(a, seed);
  world.connect(b, seed);
  world.connect(a, b);
  await world.live(seed, 5);
  const liar = world.stranger();
  const { a: conn } = world.connect(a, liar);
  await world.run(100);
  expect(liar.gone).toBe(false);
  return { seed, a, b, liar, conn };
}

/** What must hold whatever a stranger did: the honest go on with each other, and play what was signed. */
async function unharmed(seed: Seed, seats: Seat[], gone: number): Promise<void> {
  const made = await world.live(seed, 6);
  await world.run(500);
  for (const s of seats) {
    expect(s.failed).toBeNull();
    for (const p of made) expect(equal(s.piece(p.head.entry.n)!, p.data), `piece ${p.head.entry.n}`).toBe(true);
    for (const e of s.all("close")) expect(e.conn).toBe(gone);
  }
}

const closes = (s: Seat) => s.all("close").map(({ conn, ban }) => ({ conn, ban }));

const spoiled = (b: Bytes): Bytes => b.map((v, i) => (i === 0 ? v ^ 1 : v));

type Made = ReturnType<World["play"]>;

const lies: { name: string; say: (l: Stranger, p: Made) => void }[] = [
  { name: "a block", say: (l, p) => l.say(p.head, { type: "Block", r: "v0", epoch, n: 5, index: 1, data: spoiled(p.data.slice(16384, 32768)) }) },
  { name: "a block of a wrong length", say: (l, p) => l.say(p.head, { type: "Block", r: "v0", epoch, n: 5, index: 0, data: p.data.slice(0, 100) }) },
  { name: "a head's signature", say: (l, p) => l.say({ ...p.head, sig: new Uint8Array(64).fill(9) }) },
  {
    name: "a head's leaf hashes",
    say: (l, p) => {
      const { payload, sig, keyId, leaves } = p.head;
      l.say({ type: "Head", payload, sig, keyId, leaves: leaves.map((h, i) => (i === 1 ? spoiled(h) : h)) });
    },
  },
  { name: "a head of another stream", say: (l) => l.say(new Author().piece(5, 40_000).head) },
];

test.each(lies)("who forges $name is banned at once, and what was signed is played all the same", async ({ say }) => {
  const { seed, a, b, liar, conn } = await met();
  const [p] = world.make() as [Made];
  say(liar, p);
  await world.run(100);
  expect(closes(a)).toEqual([{ conn, ban: true }]);
  expect(a.piece(5)).toBeUndefined();
  expect(liar.gone).toBe(true);
  expect(liar.got.some((m) => m.type === "Bye")).toBe(true);
  seed.do(() => seed.node.add(seed.now(), p.head, p.data, 3));
  await unharmed(seed, [a, b], conn);
  for (const s of [a, b]) expect(equal(s.piece(5)!, p.data)).toBe(true);
});

test("an honest neighbour is not banned for another's lies", async () => {
  const { seed, a, b, liar, conn } = await met();
  const p = world.play(seed);
  await world.run(300);
  liar.say({ ...p.head, sig: new Uint8Array(64).fill(9) });
  await world.run(100);
  expect(closes(a)).toEqual([{ conn, ban: true }]);
  await unharmed(seed, [a, b], conn);
});

const nonsense: { name: string; ban: boolean; say: (l: Stranger) => void }[] = [
  { name: "a frame that is too long", ban: false, say: (l) => l.raw(new Uint8Array(65_001)) },
  { name: "a frame that is no message", ban: false, say: (l) => l.raw(new Uint8Array([3, 0])) },
  { name: "a message that cannot be", ban: false, say: (l) => l.raw(new Uint8Array([13, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1])) },
  { name: "far too many small messages", ban: false, say: (l) => l.say(...Array.from({ length: 2_000 }, (_, token): Message => ({ type: "Ping", token }))) },
  { name: "frames of kinds that nobody knows, without end", ban: false, say: (l) => void Array.from({ length: 2_000 }, () => l.raw(new Uint8Array([200]))) },
  {
    name: "blocks of pieces that do not exist, without end",
    ban: false,
    say: (l) => l.say(...Array.from({ length: 300 }, (_, i): Message => ({ type: "Block", r: "v0", epoch, n: 1_000 + i, index: 0, data: new Uint8Array(16384) }))),
  },
  {
    name: "heads that must be checked, without end",
    ban: true,
    say: (l) => {
      const { head } = new Author().piece(0, 40_000);
      for (let i = 0; i < 5_000; i++) l.say({ ...head, sig: new Uint8Array(64).fill(i) });
    },
  },
  { name: "a greeting for another stream", ban: false, say: (l) => l.say({ type: "Hello", version: 1, stream: "b".repeat(32), id: "77".repeat(16), role: "seed", leaf: false, up: 0 }) },
];

test.each(nonsense)("who sends $name is closed, and nobody else", async ({ say, ban }) => {
  const { seed, a, b, liar, conn } = await met();
  say(liar);
  await world.run(100);
  expect(closes(a)).toEqual([{ conn, ban }]);
  await unharmed(seed, [a, b], conn);
});

test("who opens a channel and says nothing, or is in another torrent, is closed", async () => {
  const { a } = await met();
  const mute = { opened: () => undefined, data: () => undefined, closed: vi.fn() };
  const { a: first } = world.connect(a, mute);
  const other = new Stranger(world, new Uint8Array(20), () => undefined);
  const { a: second } = world.connect(a, other);
  await world.run(50);
  expect(closes(a)).toEqual([{ conn: second, ban: false }]);
  await world.run(12_000);
  expect(closes(a)).toContainEqual({ conn: first, ban: false });
  expect(mute.closed).toHaveBeenCalled();
});

test("channels beyond what a node takes in are closed", async () => {
  const { a } = await met();
  for (let i = 0; i < 120; i++) world.connect(a, { opened: () => undefined, data: () => undefined, closed: () => undefined });
  await world.run(10);
  expect(a.all("close").length).toBeGreaterThan(20);
});

test("whatever bytes and messages come, the engine goes on, and plays nothing of it", async () => {
  const { seed, a, b } = await met();
  await world.run(1_000); // what the seed has made is here
  const before = a.all("piece").length;
  const any = fc.oneof(
    anyMessage.map((m) => (l: Stranger) => l.say(m)),
    fc.uint8Array({ minLength: 1, maxLength: 200 }).map((f) => (l: Stranger) => l.raw(new Uint8Array(f))),
  );
  for (const [i, say] of fc.sample(fc.array(any, { maxLength: 20 }), { numRuns: 40, seed: 1 }).entries()) {
    const l = world.stranger(i % 10);
    world.connect(a, l);
    await world.run(5);
    for (const s of say) {
      try {
        s(l);
      } catch {
        // no message that could be sent
      }
    }
    await world.run(5);
  }
  expect(a.all("piece").length).toBe(before);
  expect(a.failed ?? b.failed).toBeNull();
  const made = await world.live(seed, 4);
  await world.run(500);
  for (const p of made) expect(equal(b.piece(p.head.entry.n)!, p.data)).toBe(true);
});
