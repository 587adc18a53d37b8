import { expect, test, vi } from "vitest";
import { headLane } from "../../player/swarm/masks.ts";
import { millisecond, second } from "../../player/swarm/time.ts";
import { timescale } from "../../player/documents.ts";
import { liveWindow, Track } from "../../player/swarm/window.ts";
import { Author, has, type Member, Mesh } from "./mesh.ts";
import { rigHead } from "./rig.ts";

vi.setConfig({ testTimeout: 30_000 }); // every signature is made and checked here

const size = 60_000; // bytes of a piece: 2.4 Mbit/s

/** A seed with two renditions and two viewers of the first, of which one goes over to the second after 16 pieces. */
async function ladder() {
  const author = new Author();
  const mesh = new Mesh(author, 20 * millisecond);
  const seed = await mesh.join("seed", 100e6);
  const viewers: Member[] = [];
  for (let i = 0; i < 2; i++) viewers.push(await mesh.join("viewer", 20e6, ["v1"]));
  const play = (from: number, to: number) => {
    const made = [];
    for (let n = from; n < to; n++) {
      const both = ["v0", "v1"].map((r) => author.piece(n, size, r));
      mesh.play(seed, ...both);
      made.push(both);
    }
    return made;
  };
  const v = viewers[0]!;
  const want = (r: string, on: boolean) => {
    const yes = v.node.want(mesh.now, r, on);
    mesh.take(v);
    return yes;
  };
  play(0, 10);
  expect(want("v1", true)).toBe(true);
  play(10, 16);
  expect(want("v0", false)).toBe(false);
  return { mesh, seed, viewers, v, play, want };
}

test("a viewer goes over to another rendition without missing a piece of it, and takes no more of the one it left", async () => {
  const { mesh, v, viewers, play } = await ladder();
  const made = play(16, 26);
  mesh.run(second);
  for (const [i, [, next]] of made.entries()) expect(has(v, next!), `piece ${16 + i}`).toBe(true);
  for (const [old] of made.slice(2)) expect(has(v, old!)).toBe(false);
  for (const o of viewers.slice(1)) for (const [old] of made) expect(has(o, old!), "who stayed has all").toBe(true);
  expect(v.node.known("v1")!.lanes.filter((l) => l.parent).length).toBe(headLane + 1);
});

test("the lanes of a rendition that was left are given back, and its children go to others", async () => {
  const { mesh, seed, v, viewers } = await ladder();
  mesh.run(100 * millisecond);
  for (const m of [seed, ...viewers.slice(1)]) {
    const t = m.node.known("v0")!;
    for (const nb of m.node.conns) if (nb.id === v.node.id) expect(nb.track(t).gives).toBe(0);
    expect(t.lanes.some((l) => l.parent?.id === v.node.id)).toBe(false);
  }
  expect(v.node.known("v0")!.children).toEqual([]);
});

test("what is held of a rendition that was left is kept for others for a live window, and then let go of", async () => {
  const { mesh, v, play } = await ladder();
  expect(v.node.known("v0")!.pieces.length).toBeGreaterThan(10);
  play(16, 20);
  mesh.run(24 * second);
  expect(v.node.known("v0")!.pieces.length).toBeGreaterThan(10);
  mesh.run(12 * second);
  expect(v.node.known("v0")!.pieces).toEqual([]);
});

test("a rendition that is wanted again comes again", async () => {
  const { mesh, v, play, want } = await ladder();
  play(16, 20);
  want("v0", true);
  v.node.follow(mesh.now, "v0", { epoch: 1_790_000_000_000, n: 20 });
  const made = play(20, 26);
  mesh.run(second);
  for (const [old, next] of made) expect(has(v, old!) && has(v, next!)).toBe(true);
});

test("of renditions that were left only the newest is kept, so that memory is bounded", async () => {
  const { v, play, want } = await ladder();
  play(16, 18);
  want("v1", false);
  expect(v.node.known("v0")!.pieces).toEqual([]);
  expect(v.node.known("v1")!.pieces.length).toBeGreaterThan(0);
});

test("who has little memory keeps fewer bytes of a rendition", () => {
  const t = new Track("v0", 0, false, { ...liveWindow, bytes: 2_000_000 });
  const head = (n: number) =>
    rigHead({ r: "v0", epoch: 1, n, verdict: "genuine", msn: Math.floor(n / 5), part: n % 5, key: n % 5 === 0, pts: n * 18_000, dur: timescale / 5, size: 100_000 });
  for (let n = 0; n < 100; n++) t.insert(0, head(n));
  expect(t.pieces.length).toBeLessThanOrEqual(20 + 4);
  expect(t.pieces.length).toBeGreaterThan(10);
});
