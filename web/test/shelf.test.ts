import { expect, test } from "vitest";
import { Shelf } from "../player/shelf.ts";

test("what the swarm brought is there as often as it is asked for, until newer pieces need the room", () => {
  const shelf = new Shelf();
  for (let n = 0; n < 50; n++) shelf.put(`v0/${n}`, new Uint8Array([n]));
  expect(shelf.get("v0/49")).toEqual(new Uint8Array([49]));
  expect(shelf.get("v0/49")).toEqual(new Uint8Array([49]));
  expect(shelf.get("v0/2")).toBeDefined();
  expect(shelf.get("v0/1")).toBeUndefined();
});

test("a phone's cap on memory holds, and a piece that is larger than it is there until the next one", () => {
  const shelf = new Shelf(100);
  for (let n = 0; n < 3; n++) shelf.put(`v0/${n}`, new Uint8Array(40));
  expect([0, 1, 2].map((n) => shelf.get(`v0/${n}`)?.length)).toEqual([undefined, 40, 40]);
  shelf.put("v0/2", new Uint8Array(60));
  expect([1, 2].map((n) => shelf.get(`v0/${n}`)?.length)).toEqual([40, 60]);
  shelf.put("v0/3", new Uint8Array(500));
  expect([1, 2, 3].map((n) => shelf.get(`v0/${n}`)?.length)).toEqual([undefined, undefined, 500]);
});
