import { expect, test } from "vitest";
import { Warmth } from "../../player/engine/warm.ts";

const epoch = 1_790_000_000_000;
const dur = 18_000; // 200 ms

/** A stream whose heads come 40 ms after they are signed, by a clock that is a minute off. */
class Heads {
  readonly w = new Warmth();
  now = 0;
  n = 0;
  parents = true;

  /** The next head is signed 200 ms later and comes `lag` later than usual, by gossip unless `own`. */
  next(lag = 0, own = false): void {
    const issued = epoch + this.n * 200;
    this.now = Math.max(this.now, this.n * 200 + 40 + lag);
    this.w.head(this.now, { epoch, n: this.n++, issued, dur }, own);
    this.w.look(this.now, this.parents);
  }

  many(count: number, lag = 0, own = false): void {
    for (let i = 0; i < count; i++) this.next(lag, own);
  }

  /** Time passes without a head. */
  wait(ms: number): void {
    this.now += ms;
    this.w.look(this.now, this.parents);
  }
}

test("gossip is not relied on before 0.8 s of good order, and then it is", () => {
  const h = new Heads();
  expect(h.w.look(0, true)).toBe(false);
  h.many(4); // 0.6 s from the first to the last
  expect(h.w.warm).toBe(false);
  h.next();
  expect(h.w.warm).toBe(true);
});

test("it is known when the next head is due", () => {
  const h = new Heads();
  expect(h.w.expected).toBeNull();
  h.many(5);
  expect(h.w.expected).toBe(5 * 200 + 40);
});

test("a head that is 250 ms overdue ends it at once, and the moment is known before", () => {
  const h = new Heads();
  h.many(10);
  h.wait(200 + 250);
  expect(h.w.warm).toBe(true);
  expect(h.w.turnsAt).toBe(h.now + 1);
  h.wait(1);
  expect(h.w.warm).toBe(false);
});

test("lanes without parents are no ground to rely on, unless the pieces come anyway", () => {
  const h = new Heads();
  h.parents = false;
  h.many(12);
  expect(h.w.warm).toBe(false);
  for (let i = 0; i < 14; i++) {
    h.w.piece(true);
    h.next();
  }
  expect(h.w.warm).toBe(true);
  h.w.piece(false); // the origin had to help
  h.next();
  expect(h.w.warm).toBe(false);
});

test("a hole among the heads is waited out", () => {
  const h = new Heads();
  h.many(10);
  h.n++;
  h.next();
  expect(h.w.warm).toBe(false);
  h.many(9);
  expect(h.w.warm).toBe(false);
});

test("heads that the page has sooner from elsewhere speak neither for the swarm nor against it: it is tried", () => {
  const h = new Heads();
  h.many(9, 0, true);
  expect(h.w.warm).toBe(true);
});

test("a swarm that is later than the page's own copies is tried ever more rarely", () => {
  const h = new Heads();
  const cold: number[] = [];
  for (let round = 0; round < 4; round++) {
    const before = h.n;
    while (!h.w.warm) h.next(0, true);
    cold.push((h.n - before) * 200);
    h.wait(500); // left to the swarm, it does not come
    expect(h.w.warm).toBe(false);
    h.n = Math.ceil(h.now / 200);
  }
  for (let i = 1; i < cold.length; i++) expect(cold[i]! / cold[i - 1]!).toBeGreaterThan(1.4);
  expect(cold.at(-1)! / cold[0]!).toBeGreaterThan(5); // 8, but for whole pieces
});

test("gossip that comes 250 ms after the page's own copy is not in time", () => {
  const h = new Heads();
  h.many(9, 0, true);
  h.w.head(h.now + 300, { epoch, n: h.n - 1, issued: epoch + (h.n - 1) * 200, dur }, false);
  expect(h.w.warm).toBe(false);
});

test("a creator who pauses is no fault of the swarm's: it is relied on as soon again as before", () => {
  const h = new Heads();
  h.many(10);
  h.wait(3_000);
  expect(h.w.warm).toBe(false);
  const issued = epoch + h.now - 40;
  for (let i = 0; i < 9; i++) {
    h.w.head(h.now, { epoch, n: h.n++, issued: issued + i * 200, dur }, false);
    h.w.look(h.now, true);
    if (i < 8) h.now += 200;
  }
  expect(h.w.warm).toBe(true);
});

test("gossip that comes close behind the page's own copy after a pause makes up for it", () => {
  const h = new Heads();
  h.many(10);
  h.wait(3_000);
  const issued = epoch + h.now - 40;
  for (let i = 0; i < 9; i++) {
    for (const own of [true, false]) h.w.head(h.now + (own ? 0 : 50), { epoch, n: h.n, issued: issued + i * 200, dur }, own);
    h.n++;
    h.w.look(h.now + 50, true);
    if (i < 8) h.now += 200;
  }
  expect(h.w.warm).toBe(true);
});

test("a new publish is judged by its own heads", () => {
  const h = new Heads();
  h.many(10);
  h.w.head(h.now + 100, { epoch: epoch + 50_000, n: 0, issued: epoch + 99_000, dur }, false);
  expect(h.w.look(h.now + 100, true)).toBe(true);
  expect(h.w.expected).toBe(h.now + 300);
});
