// One swarm for all renditions: what viewers do for each other who do not watch the same quality.
import { afterEach, beforeEach, expect, test } from "vitest";
import { equal } from "../../player/bytes.ts";
import { epoch, World } from "./world.ts";

let world: World;
beforeEach(() => void (world = new World()));
afterEach(() => world.end());

const both = { others: ["v0", "v1"] };

/** A viewer of v0 who has 12 pieces of it and has gone over to v1. */
async function switched() {
  const seed = await world.seed();
  const b = await world.seat(both);
  world.connect(b, seed);
  await world.run(100);
  const made = await world.live(seed, 12, "v0", "v1");
  b.loop.want("v0", false);
  b.loop.want("v1", true);
  const later = await world.live(seed, 5, "v0", "v1");
  return { seed, b, made, later };
}

test("who switched goes on giving what it holds of the rendition it left, and nothing newer of it", async () => {
  const { b, made, later } = await switched();
  const c = await world.seat(both);
  world.connect(c, b);
  c.loop.follow("v0", { epoch, n: 4 });
  await world.run(2_000);
  for (const p of made.slice(4)) expect(equal(c.piece(p.head.entry.n)!, p.data), `piece ${p.head.entry.n}`).toBe(true);
  for (const p of later.slice(1)) expect(c.piece(p.head.entry.n)).toBeUndefined();
  expect(b.all("piece").filter((p) => p.key.r === "v1").length).toBeGreaterThanOrEqual(4);
}, 20_000);

test("who switches introduces to each other those it gave to, carries the signals by which they connect, and goes on handing on records", async () => {
  const seed = await world.seed();
  const [a, b, c] = [await world.seat(both), await world.seat(both), await world.seat(both)];
  world.connect(b, seed);
  for (const s of [a, c]) world.connect(s, b);
  await world.live(seed, 12, "v0", "v1"); // until b gives to both
  b.loop.want("v0", false);
  b.loop.want("v1", true);
  await world.live(seed, 4, "v0", "v1");
  expect(a.all("dial").map((d) => d.hint.id)).toContain(c.loop.id);
  a.loop.relay(c.loop.id, new TextEncoder().encode("hello"));
  const late = await world.seat({ ...both, records: [] });
  world.connect(late, b);
  await world.run(300);
  expect(c.last("signal")).toMatchObject({ from: a.loop.id });
  expect(late.all("record").length, "a newcomer's session records").toBeGreaterThan(0);
}, 20_000);

test("a viewer of another rendition who has uplink to spare gives none of what it does not watch: it comes from others or the origin", async () => {
  const { seed, b } = await switched();
  const a = await world.seat({ ...both, origin: true });
  world.connect(a, b);
  await world.live(seed, 10, "v0", "v1");
  expect(a.all("piece").filter((p) => p.by.peer > 0 && p.key.n > 12)).toEqual([]);
}, 20_000);

test("who comes to the rendition that another watches takes from it at once, and gives it on", async () => {
  const { seed, b } = await switched();
  const [a, c] = [await world.seat(both), await world.seat(both)];
  world.connect(a, b);
  world.connect(c, a);
  await world.live(seed, 3, "v0", "v1");
  for (const s of [a, c]) {
    s.loop.want("v0", false);
    s.loop.want("v1", true);
  }
  const made = await world.live(seed, 10, "v0", "v1");
  await world.run(600);
  const n = made.at(-1)!.head.entry.n;
  const got = (s: typeof a) => s.all("piece").filter((p) => p.key.r === "v1").map((p) => p.key.n);
  for (const s of [a, c]) expect(got(s)).toEqual(expect.arrayContaining([n - 3, n - 2, n - 1]));
  expect(c.last("piece")!.by.peer).toBeGreaterThan(0);
  expect(Math.min(...got(a)) - made[0]!.head.entry.n, "pieces that went by meanwhile").toBeLessThanOrEqual(2);
}, 20_000);
