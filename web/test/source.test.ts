import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { HttpError, Origin } from "../player/origin.ts";
import { Meter } from "../player/meter.ts";
import { BadPiece, BadProof, Source, wanted } from "../player/source.ts";
import type { Clip } from "./support/clip.ts";
import { entryHeader, TestOrigin } from "./support/origin.ts";
import { TestStream } from "./support/stream.ts";

// What is in the pieces does not matter here: they are fetched and checked, not played.
const clip: Clip = {
  init: new Uint8Array(700).fill(9),
  cuts: Array.from({ length: 400 }, (_, i) => ({
    data: new Uint8Array(20_000 + i).fill(i),
    pts: i * 18_000,
    dur: 18_000,
    key: i % 5 === 0,
  })),
};
const never = new AbortController().signal;
let served: TestOrigin;
let stream: TestStream;
let origin: Origin;
let source: Source;

beforeAll(async () => {
  served = await TestOrigin.start();
});
afterAll(() => served.stop());
beforeEach(async () => {
  stream?.end();
  served.tamper = null;
  served.header = null;
  stream = await TestStream.of("demo", clip);
  served.add(stream);
  stream.publish(30.1);
  origin = new Origin(new URL(`${served.url}/`), "demo");
  const m = await origin.manifest();
  source = await Source.begin(origin, m);
  await source.learn(m);
});

const get = (path: string) => source.get(origin.url(path), wanted(origin.url(path))!, never);
const piece = (n: number) => get(`v0/${stream.epoch}/${n}.m4s`);

test("a piece, a segment and an init segment arrive as they were signed", async () => {
  expect((await piece(148)).bytes).toEqual(clip.cuts[148]!.data);
  expect((await get(`v0/init/${stream.initRoot}.mp4`)).bytes).toEqual(clip.init);
  const segment = await get("v0/seg/28.m4s");
  expect(segment.bytes.length).toBe([140, 141, 142, 143, 144].reduce((n, i) => n + clip.cuts[i]!.data.length, 0));
  expect(segment.entries.map((e) => e.n)).toEqual([140, 141, 142, 143, 144]);
  expect(source.rejected).toBe(0);
});

test("verified bytes are counted, each piece once, and rejected ones are not", async () => {
  const meter = new Meter();
  const m = await origin.manifest();
  const counting = await Source.begin(origin, m, meter);
  await counting.learn(m);
  const take = (path: string) => counting.get(origin.url(path), wanted(origin.url(path))!, never);
  const size = [140, 141, 142, 143, 144].reduce((n, i) => n + clip.cuts[i]!.data.length, 0);
  await take(`v0/${stream.epoch}/141.m4s`);
  expect(meter.total.origin).toBe(clip.cuts[141]!.data.length);
  await take("v0/seg/28.m4s");
  await take(`v0/${stream.epoch}/143.m4s`);
  expect(meter.total).toEqual({ peer: 0, seed: 0, edge: 0, origin: size });
  served.tamper = (made) => made.data.map((b) => b ^ 1);
  await expect(take(`v0/${stream.epoch}/146.m4s`)).rejects.toThrow(BadPiece);
  expect(meter.total.origin).toBe(size);
  counting.close();
});

test("a segment older than the manifest's window is checked by entries asked for in ranges", async () => {
  const old = await get("v0/seg/5.m4s");
  expect(old.entries.map((e) => e.n)).toEqual([25, 26, 27, 28, 29]);
  expect(served.asked.some((a) => a.includes("from="))).toBe(true);
});

test("a joiner takes in what follows the newest keyframe, and the rest when it needs it", async () => {
  const joiner = await Source.begin(origin, await origin.manifest());
  const m = await origin.manifest();
  await joiner.learn(m, "edge");
  const newest = joiner.newest()!.entry;
  const book = joiner.book("v0");
  expect(newest.n).toBeGreaterThanOrEqual(149); // the stream goes on
  for (let n = newest.n - newest.part; n <= newest.n; n++) expect(book.at({ epoch: stream.epoch, n })).toBeDefined();
  expect(book.initOf(newest.msn)).toBe(stream.initRoot);
  expect(book.at({ epoch: stream.epoch, n: newest.n - 20 })).toBeUndefined();
  const url = origin.url(`v0/seg/${newest.msn - 3}.m4s`);
  expect((await joiner.get(url, wanted(url)!, never)).entries).toHaveLength(5);
  joiner.close();
});

test("a piece whose header a cache dropped is checked by the manifest", async () => {
  served.header = () => null;
  expect((await piece(3)).entries[0]?.n).toBe(3);
});

test("one bad copy is fetched again; two are one too many", async () => {
  const flip = (d: Uint8Array) => d.map((b, i) => (i === 19_000 ? b ^ 1 : b));
  served.tamper = (m, times) => (times === 1 ? flip(m.data) : m.data);
  expect((await piece(147)).bytes).toEqual(clip.cuts[147]!.data);
  expect(source.rejected).toBe(1);
  served.tamper = (m) => flip(m.data);
  await expect(piece(146)).rejects.toThrow(BadPiece);
  await expect(get("v0/seg/28.m4s")).rejects.toThrow(BadPiece);
  expect(source.rejected).toBe(5);
});

test("a piece cut short, made longer, or with the entry of another is refused", async () => {
  for (const change of [(d: Uint8Array) => d.subarray(1), (d: Uint8Array) => new Uint8Array([...d, 0])]) {
    served.tamper = (m) => change(m.data);
    await expect(piece(145)).rejects.toThrow(BadPiece);
  }
  served.tamper = (m) => stream.find(m.entry.epoch, m.entry.n - 1)!.data;
  served.header = (m) => entryHeader(stream.find(m.entry.epoch, m.entry.n - 1)!);
  await expect(piece(144)).rejects.toThrow(BadPiece);
  served.header = () => "bm9uc2Vuc2U=";
  await expect(piece(143)).rejects.toThrow(BadPiece);
});

test("an init segment that no entry names is refused", async () => {
  const other = await TestStream.of("other", { ...clip, init: new Uint8Array(5).fill(1) });
  const real = stream.initRoot;
  Object.assign(stream.renditions.get("v0")!, { initRoot: other.initRoot, clip: other.clip });
  await expect(get(`v0/init/${other.initRoot}.mp4`)).rejects.toThrow(BadPiece);
  await expect(get(`v0/init/${real}.mp4`)).rejects.toThrow(HttpError);
});

test("changed init bytes and a segment with something after its end are refused", async () => {
  Object.assign(stream.renditions.get("v0")!, { clip: { ...clip, init: clip.init.map((b, i) => (i === 500 ? b ^ 1 : b)) } });
  await expect(get(`v0/init/${stream.initRoot}.mp4`)).rejects.toThrow(BadPiece);
  served.tamper = (m) => (m.entry.n === 144 ? new Uint8Array([...m.data, 7]) : m.data);
  await expect(get("v0/seg/28.m4s")).rejects.toThrow(BadPiece);
});

test("a session record that was not announced is asked for when a piece needs it", async () => {
  const announce = stream.rotate(false);
  await stream.next(1_000);
  const n = stream.made.at(-1)!.entry.n;
  await expect(piece(n)).rejects.toThrow(BadPiece);
  announce();
  expect((await piece(n)).entries[0]?.n).toBe(n);
});

test("another genesis under the same name is a broken proof", async () => {
  const other = await TestStream.of("demo", clip);
  other.publish(5);
  served.add(other);
  await expect(source.learn(await origin.manifest())).rejects.toThrow(BadProof);
  other.end();
});

test("a missing piece is the origin's 404, with its sentence", async () => {
  stream.end();
  await expect(piece(9_999)).rejects.toMatchObject({ status: 404, said: "there is no such piece" });
});
