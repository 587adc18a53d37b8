// What the engine counts from looks at its connections.
import { expect, test } from "vitest";
import { Swaps } from "../../player/engine/measures.ts";

const peers = (...granted: [conn: number, lanes: number][]) => granted.map(([conn, lanes]) => ({ conn, granted: lanes }));

test("a parent that another took the place of is a swap; one that joins, or leaves without another, is none", () => {
  const s = new Swaps();
  expect(s.look(peers([1, 5], [2, 0]))).toBe(0);
  expect(s.look(peers([1, 3], [2, 2]))).toBe(0); // one more
  expect(s.look(peers([1, 0], [2, 2], [3, 3]))).toBe(1);
  expect(s.look(peers([3, 5]))).toBe(1); // one fewer
  expect(s.look(peers([4, 5]))).toBe(2);
});
