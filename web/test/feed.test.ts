// Where the newest entries come from when nobody else brings them.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Entry } from "../player/documents.ts";
import { Feed } from "../player/feed.ts";
import { Listing } from "../player/listing.ts";
import { HttpError, type Manifest, type Origin, type Query } from "../player/origin.ts";

const epoch = 1_790_000_000_000;
const entry = (n: number, part = n % 5) => ({ r: "v0", epoch, n, msn: Math.floor(n / 5), part, dur: 18_000, size: 1, at: 0, issued: 0 }) as Entry;

let answer: (q: Query | undefined) => Promise<Manifest>;
let asked: (Query | undefined)[];
let listing: Listing;
let feed: Feed;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  listing = new Listing();
  for (let n = 0; n < 6; n++) listing.add(entry(n));
});
afterEach(() => {
  feed.stop();
  vi.useRealTimers();
});

function follow(trouble = vi.fn()) {
  const origin = {
    manifest: (q?: Query) => {
      asked.push(q);
      return answer(q);
    },
  } as unknown as Origin;
  feed = new Feed(origin, "v0", listing, { manifest: () => Promise.resolve(), trouble });
  return trouble;
}

/** Entries that come from elsewhere, with one missing before them. */
function skip(...ns: number[]) {
  for (const n of ns) if (!listing.add(entry(n)) && listing.hole()) feed.early();
}

test("what is missing and cannot be had is given up where the next segment begins, and the page goes on meanwhile", async () => {
  answer = () => Promise.reject(new TypeError("no network"));
  const jump = vi.spyOn(listing, "jump");
  follow();
  skip(8, 9);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(jump.mock.calls.length).toBeLessThan(20);
  expect(listing.newest?.n).toBe(5);
  skip(10, 11);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(listing.newest?.n).toBe(11);
});

test("a server that knows the stream again after it did not is asked on", async () => {
  answer = () => Promise.reject(new HttpError(404, ""));
  const trouble = follow();
  await vi.advanceTimersByTimeAsync(3_000);
  expect(trouble).toHaveBeenCalled();
  const before = asked.length;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked.length).toBeGreaterThan(before);
});
