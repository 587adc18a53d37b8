import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { base64, hex } from "../player/bytes.ts";
import { Book, Fork } from "../player/book.ts";
import { envelopeFrom, envelopeFromHeader } from "../player/dsse.ts";
import { fingerprint, Trust, UnknownSession } from "../player/trust.ts";
import { digestOf, type Dsse, genesis, type Key, newKey, payloadOf, session, sha256, sign, signBytes } from "./support/signer.ts";

const epoch = 1_700_000_000_000;
const root = newKey();
const heir = newKey();
const key = newKey();
const made = genesis(root, heir, "demo");
const record = session(root, made.id, key);
const initRoot = "11".repeat(32);

let trust: Trust;
beforeEach(async () => {
  trust = await Trust.begin(envelopeFrom(made.envelope));
  await trust.addSession(envelopeFrom(record));
});

function entry(n: number, over: Record<string, unknown> = {}, by: Key = key): Dsse {
  const starts = n % 5 === 0;
  return sign(by, "entry", {
    ...{ v: 1, stream: made.id, r: "v0", epoch, n, prev: n === 0 ? digestOf(record) : "22".repeat(32), issued: Date.now(), at: Date.now() },
    ...{ msn: Math.floor(n / 5), dsn: 0, part: n % 5, pts: n * 18_000, dur: 18_000, size: 9, root: "33".repeat(32) },
    ...(starts ? { key: true, target: 18_000, session: digestOf(record), init: initRoot } : {}),
    ...over,
  });
}

const opened = (e: Dsse) => trust.open(envelopeFrom(e));

function rotation(by: Key, next: Key, serial: number, sessions: number): Dsse {
  return sign(by, "rotation", { v: 1, stream: made.id, serial, root: base64(by.public), next: hex(sha256(next.public)), sessions });
}

describe("who made it", () => {
  test("an entry of the creator's session opens, also from the header a piece comes with", async () => {
    const signed = await opened(entry(0));
    expect(signed.entry).toMatchObject({ epoch, n: 0, key: true, init: initRoot });
    expect(signed.digest).toBe(digestOf(entry(0, { issued: signed.entry.issued, at: signed.entry.at })));
    const header = Buffer.from(JSON.stringify(entry(1))).toString("base64");
    expect((await trust.open(envelopeFromHeader(header))).entry.n).toBe(1);
  });

  test("a changed bit anywhere in payload or signature is noticed", async () => {
    const good = entry(3);
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.nat(10_000), fc.nat(7), async (inPayload, at, bit) => {
        const e = envelopeFrom(good);
        const bytes = inPayload ? e.payload : e.sig;
        bytes[at % bytes.length]! ^= 1 << bit;
        await expect(trust.open(e)).rejects.toThrow();
      }),
      { numRuns: 100 },
    );
  });

  test("an entry by a stranger's key, under either key's name, does not open", async () => {
    const stranger = newKey();
    await expect(opened(entry(1, {}, stranger))).rejects.toThrow(UnknownSession);
    const forged = entry(1, {}, stranger);
    forged.signatures[0]!.keyid = entry(1).signatures[0]!.keyid;
    await expect(opened(forged)).rejects.toThrow("signature");
  });

  test("a genesis is bound to its id, its key and its name", async () => {
    expect(trust.id).toBe(made.id);
    expect(made.id).toMatch(/^[a-z2-7]{32}$/);
    const forged = { ...made.envelope, signatures: genesis(newKey(), heir, "demo").envelope.signatures };
    await expect(Trust.begin(envelopeFrom(forged))).rejects.toThrow();
  });

  test("documents of one kind do not pass for another", async () => {
    await expect(trust.open(envelopeFrom(record))).rejects.toThrow("type");
    const disguised = signBytes(key, "application/vnd.shoal.entry.v1+json", payloadOf(record));
    await expect(opened(disguised)).rejects.toThrow();
  });

  test("shapes that no creator signs are refused even when signed", async () => {
    const bad: Record<string, unknown>[] = [
      { size: 0 },
      { size: (4 << 20) + 1 },
      { v: 2 },
      { dur: 0 },
      { part: 128 },
      { crit: ["enc"], enc: 1 },
      { crit: [] },
      { gap: true },
      { root: "33" },
      { init: initRoot },
      { n: -1 },
      { pts: null },
      { r: "V0" },
      { epoch: 0 },
      { issued: 0 },
      { dsn: 1 },
      { root: "00".repeat(32) },
      { target: 18_000 },
      { seg: 1 },
      { crit: ["pts", "pts"] },
      { crit: ["serial"], serial: 1 },
    ];
    for (const over of bad) await expect(opened(entry(1, over)), JSON.stringify(over)).rejects.toThrow();
    const badStarts: Record<string, unknown>[] = [{ target: undefined }, { target: 17_999 }, { target: 396_001 }, { session: undefined }, { init: "00".repeat(32) }, { prev: "22".repeat(32) }];
    for (const over of badStarts) await expect(opened(entry(0, over)), JSON.stringify(over)).rejects.toThrow();
    expect((await opened(entry(1, { crit: ["pts"] }))).entry.n).toBe(1);
    const { size: _, root: __, ...rest } = JSON.parse(Buffer.from(payloadOf(entry(1))).toString()) as Record<string, unknown>;
    expect((await opened(sign(key, "entry", { ...rest, size: 0, gap: true }))).entry.gap).toBe(true);
  });

  test("an entry signed outside the time its key was lent for is refused", async () => {
    await expect(opened(entry(1, { issued: Date.now() + 2 * 3_600_000 }))).rejects.toThrow("outside");
    await expect(opened(entry(1, { issued: Date.now() - 2 * 3_600_000 }))).rejects.toThrow("outside");
  });
});

describe("keys that change", () => {
  test("a newer session takes over at its position, not before", async () => {
    const second = newKey();
    await expect(opened(entry(7, {}, second))).rejects.toThrow(UnknownSession);
    await trust.addSession(envelopeFrom(session(root, made.id, second, { serial: 2, from: { epoch, n: 7 } })));
    expect((await opened(entry(7, {}, second))).entry.n).toBe(7);
    await expect(opened(entry(6, {}, second))).rejects.toThrow();
    await expect(opened(entry(8))).rejects.toThrow();
    expect((await opened(entry(6))).entry.n).toBe(6);
  });

  test("a session record by another key, for another stream or with a used serial is refused", async () => {
    await expect(trust.addSession(envelopeFrom(session(newKey(), made.id, key, { serial: 2 })))).rejects.toThrow();
    await expect(trust.addSession(envelopeFrom(session(root, "a".repeat(32), key, { serial: 2 })))).rejects.toThrow();
    await expect(trust.addSession(envelopeFrom(session(root, made.id, newKey())))).rejects.toThrow("serial");
  });

  test("only the promised heir takes the root over, and the id stays", async () => {
    const next = newKey();
    await expect(trust.addRotation(envelopeFrom(rotation(newKey(), next, 1, 1)))).rejects.toThrow("promised");
    await trust.addRotation(envelopeFrom(rotation(heir, next, 1, 1)));
    await trust.addRotation(envelopeFrom(rotation(heir, next, 1, 1)));
    expect(trust.id).toBe(made.id);
    expect(trust.rootKey).toEqual(heir.public);
    await expect(trust.addSession(envelopeFrom(session(root, made.id, newKey(), { serial: 2 })))).rejects.toThrow();
    await trust.addSession(envelopeFrom(session(heir, made.id, newKey(), { serial: 2, from: { epoch, n: 3 } })));
    expect((await opened(entry(2))).entry.n).toBe(2);
  });

  test("what a replaced root key signed beyond its bound is forgotten", async () => {
    await trust.addSession(envelopeFrom(session(root, made.id, newKey(), { serial: 9 })));
    await trust.addRotation(envelopeFrom(rotation(heir, newKey(), 1, 1)));
    expect(trust.sessionAt({ epoch, n: 1 })?.session.serial).toBe(1);
  });

  test("a fingerprint is in groups and begins with the key id", async () => {
    const id = made.envelope.signatures[0]!.keyid;
    expect((await fingerprint(root.public)).replaceAll(" ", "").startsWith(id)).toBe(true);
  });
});

describe("one history", () => {
  async function chain(count: number): Promise<Dsse[]> {
    const all: Dsse[] = [];
    for (let n = 0; n < count; n++) all.push(entry(n, n === 0 ? {} : { prev: digestOf(all[n - 1]!) }));
    return all;
  }

  test("entries may come in any order and more than once", async () => {
    const signed = await Promise.all((await chain(12)).map(opened));
    fc.assert(
      fc.property(fc.shuffledSubarray([...signed, ...signed], { minLength: 24 }), (order) => {
        const book = new Book();
        for (const s of order) book.add(s);
        expect(book.newest?.entry.n).toBe(11);
        expect(book.segment(0)?.map((e) => e.n)).toEqual([0, 1, 2, 3, 4]);
        expect(book.segment(2)).toBeUndefined(); // it may still grow
      }),
    );
  });

  test("a second history is evidence of a fork, whichever side comes first", async () => {
    const all = await chain(4);
    const other = entry(2, { prev: digestOf(all[1]!), size: 10 });
    const [a, b, c, d] = await Promise.all(all.map(opened));
    const forged = await opened(other);
    const twice = new Book();
    for (const s of [a!, b!, c!]) twice.add(s);
    expect(() => twice.add(forged)).toThrow(Fork);
    const after = new Book();
    after.add(forged);
    expect(() => after.add(d!)).toThrow(Fork);
    const before = new Book();
    before.add(d!);
    expect(() => before.add(forged)).toThrow(Fork);
  });

  test("a hole is found and asked for right where it is", async () => {
    const signed = await Promise.all((await chain(14)).map(opened));
    const book = new Book();
    for (const s of signed.slice(8)) book.add(s);
    expect(book.segment(1)).toBeUndefined();
    expect(book.missingBefore(1)).toEqual({ epoch, n: 8 });
    for (const s of signed.slice(4, 8)) book.add(s);
    expect(book.segment(1)?.length).toBe(5);
    expect(book.missingBefore(0)).toEqual({ epoch, n: 4 });
  });

  test("of a stream that is watched for long, the last 90 s are kept, and of one that was away the entries before", async () => {
    const began = Date.now();
    const signed = await opened(entry(0));
    // Books trust who adds: what is signed need not change for each of so many.
    const nth = (n: number, issued: number) => ({ ...signed, digest: `${n}`, entry: { ...signed.entry, n, issued, prev: `${n - 1}` } });
    const book = new Book();
    const size = (count: number) => Array.from({ length: count }, (_, n) => book.at({ epoch, n })).filter(Boolean).length;
    for (let n = 0; n < 1_500; n++) book.add(nth(n, began + n * 150));
    expect(size(1_500)).toBe(90_000 / 150 + 1);
    book.add(nth(1_500, began + 3_600_000));
    expect(size(1_501)).toBe(400);
    for (let n = 1_501; n < 5_000; n++) book.add(nth(n, began + 3_600_000 + n));
    expect(size(5_000)).toBe(2_000);
  });
});
