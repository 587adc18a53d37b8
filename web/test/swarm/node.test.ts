import fc from "fast-check";
import { expect, test } from "vitest";
import { type Message, reasons } from "../../player/swarm/messages.ts";
import { Node } from "../../player/swarm/node.ts";
import { millisecond, second } from "../../player/swarm/time.ts";
import { Author, has, Mesh } from "./mesh.ts";
import { anyMessage } from "./messages.ts";
import { rigStream } from "./rig.ts";

const size = 60_000; // bytes of a piece: 2.4 Mbit/s

/** A seed and viewers, long enough connected to have found parents. */
async function met(viewers: number) {
  const author = new Author();
  const mesh = new Mesh(author, 20 * millisecond);
  const seed = await mesh.join("seed", 100e6);
  const others = [];
  for (let i = 0; i < viewers; i++) others.push(await mesh.join("viewer", 10e6));
  const play = (from: number, to: number) => {
    const pieces = [];
    for (let n = from; n < to; n++) {
      pieces.push(author.piece(n, size));
      mesh.play(seed, pieces.at(-1)!);
    }
    return pieces;
  };
  play(0, 10);
  mesh.run(second);
  return { mesh, seed, others, play };
}

test("viewers feed each other: all of them have every piece, and the seed sends few copies", async () => {
  const { mesh, seed, others, play } = await met(5);
  const before = seed.node.stats().sent;
  const pieces = play(10, 30);
  mesh.run(second);
  for (const v of others) for (const p of pieces) expect(has(v, p), `piece ${p.head.entry.n}`).toBe(true);
  const copies = (seed.node.stats().sent - before) / (pieces.length * size);
  expect(copies).toBeGreaterThan(0.9);
  expect(copies).toBeLessThan(2.5);
  expect(mesh.members.flatMap((m) => m.drops)).toEqual([]);
});

test("who sends a false block is banned by who sees it, and nothing false is played", async () => {
  const { mesh, others, play } = await met(5);
  const liar = others[0]!;
  liar.spoil = (m: Message) => (m.type === "Block" ? { ...m, data: m.data.map((b, i) => (i === 0 ? b ^ 1 : b)) } : m);
  const pieces = play(10, 30);
  mesh.run(2 * second);
  const honest = others.slice(1);
  expect(honest.some((v) => v.drops.includes(reasons.liedBlock))).toBe(true);
  for (const v of honest) for (const p of pieces) expect(has(v, p), `piece ${p.head.entry.n}`).toBe(true);
  for (const v of honest) expect(v.node.stats().rejected).toBeLessThan(10);
});

test("whatever a neighbour says, a node goes on, and answers with a bound", async () => {
  const verifier = await new Author().verifier();
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), anyMessage, fc.nat(500)), { minLength: 1, maxLength: 60 }), fc.boolean(), (said, seed) => {
      const n = new Node({ stream: rigStream, id: "10".repeat(16), role: seed ? "seed" : "viewer", verifier, wants: seed ? [] : ["a"], up: 10e6, random: 7 });
      let now = 0;
      for (const c of [0, 1, 2]) {
        n.connected(now, c, { address: null, outbound: false });
        n.receive(now, c, { type: "Hello", version: 1, stream: rigStream, id: `2${c}`.repeat(16), role: "viewer", leaf: false, up: 5000 });
      }
      n.effects();
      for (const [c, m, ms] of said) {
        now += ms * millisecond;
        if (n.wake() <= now) n.tick(now);
        n.receive(now, c, m);
        const e = n.effects();
        expect(e.send.length).toBeLessThan(100);
        expect(e.pieces).toEqual([]);
      }
    }),
    { numRuns: 150 },
  );
});
