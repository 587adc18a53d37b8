import { expect, test } from "vitest";
import { points, rowsOf, stacked } from "../../dash/table.ts";

const answer = {
  columns: ["time", "a", "b"],
  rows: [
    ["1970-01-01T00:00:10Z", 1, null],
    ["1970-01-01T00:00:30Z", 3, 4],
  ],
  from: 0,
  to: 40,
  step: 10,
};

test("a chart has a point for every step, and a gap or nothing where there is no row", () => {
  expect(points(answer, ["a", "b"], null)).toEqual([[0, 10, 20, 30], [null, 1, null, 3], [null, null, null, 4]]);
  expect(points(answer, ["a"], 0)).toEqual([[0, 10, 20, 30], [0, 1, 0, 3]]);
  expect(points({ ...answer, columns: [], rows: [] }, ["a"], 0)).toEqual([[0, 10, 20, 30], [0, 0, 0, 0]]);
});

test("parts of a whole stand on top of each other", () => {
  expect(stacked([[0, 1], [1, 2], [10, null], [100, 200]])).toEqual([[0, 1], [111, 202], [110, 200], [100, 200]]);
});

test("rows have their columns by name", () => {
  expect(rowsOf(answer)[1]).toEqual({ time: "1970-01-01T00:00:30Z", a: 3, b: 4 });
});
