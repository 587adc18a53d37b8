import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Bytes, concat, hex, utf8 } from "../../player/bytes.ts";
import { decode } from "../../player/wire/bencode.ts";
import { maxFrame } from "../../player/swarm/messages.ts";
import { extendedHandshake, frame, greeting, infohash, message, pair, peerId, settled, u32, Watched } from "./rig.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }));
afterEach(() => vi.useRealTimers());

describe("two peers that meet", () => {
  test("greet by BEP 3 and BEP 10, say sh_live and nothing else, and are open to each other", async () => {
    const [a, b] = pair();
    await settled();
    expect(a.opened).toEqual({ peerId: peerId("b"), port: null });
    expect(b.opened).toEqual({ peerId: peerId("a"), port: null });
    const said = utf8("d1:md7:sh_livei1eee");
    expect(hex(a.output())).toBe(hex(concat(utf8("\x13BitTorrent protocol"), new Uint8Array([0, 0, 0, 0, 0, 16, 0, 0]), infohash, peerId("a"), u32(2 + said.length), new Uint8Array([20, 0]), said)));
  });

  test("who answers greets once it was greeted, and both are open", async () => {
    const [a, b] = [new Watched("a"), new Watched("b", infohash, true)];
    b.to = (bytes) => a.wire.receive(bytes);
    await settled();
    expect(b.output().length).toBe(0);
    b.wire.receive(a.output());
    a.to = (bytes) => b.wire.receive(bytes);
    await settled();
    expect(a.opened).toEqual({ peerId: peerId("b"), port: null });
    expect(b.opened).toEqual({ peerId: peerId("a"), port: null });
  });

  test("get each other's frames in order, the longest too, and no longer one is sent", async () => {
    const [a, b] = pair();
    await settled();
    const frames = [new Uint8Array([1]), new Uint8Array(maxFrame).fill(2), new Uint8Array(20_000).fill(3), new Uint8Array([4])];
    for (const f of frames) a.wire.send(f);
    await settled();
    expect(b.frames.map(hex)).toEqual(frames.map(hex));
    expect(() => a.wire.send(new Uint8Array(maxFrame + 1))).toThrow("too long");
  });

  test("send what belongs to one turn in one buffer, and each frame arrives in one of its own", async () => {
    const [a, b] = pair();
    await settled();
    a.written.length = 0;
    for (let i = 0; i < 5; i++) a.wire.send(new Uint8Array([i]));
    await settled();
    expect(a.written.map((w) => w.length)).toEqual([5 * 7]);
    for (const f of [...a.written, ...b.frames]) expect(f.buffer.byteLength).toBe(f.length);
  });

  test("hand out what was sent before closing, and nothing more comes of either", async () => {
    const [a, b] = pair();
    await settled();
    a.wire.send(new Uint8Array([22]));
    a.wire.close();
    expect(b.frames).toEqual([new Uint8Array([22])]);
    b.wire.send(new Uint8Array([1]));
    await settled();
    expect(a.frames).toEqual([]);
    expect(a.ended).toBeNull();
    expect(vi.getTimerCount()).toBe(1);
  });

  test("are told nothing more once they closed, in the middle of what arrives", async () => {
    const a = new Watched("a");
    a.wire.receive(concat(greeting, extendedHandshake()));
    const got: Bytes[] = [];
    a.frames.push = (f) => {
      got.push(f);
      a.wire.close();
      return 0;
    };
    a.wire.receive(concat(frame(1), frame(2), u32(2 ** 31)));
    expect([got.length, a.ended]).toEqual([1, null]);
  });

  test("stay connected while nothing is to be said, and are given up after 150 s of silence", async () => {
    const [a, b] = pair();
    await settled();
    for (let s = 0; s < 600; s += 5) {
      await vi.advanceTimersByTimeAsync(5_000);
      await settled();
    }
    expect([a.ended, b.ended]).toEqual([null, null]);
    expect(a.written.filter((w) => w.length === 4).length).toBeGreaterThanOrEqual(600 / 45 - 1);
    a.to = () => {};
    await vi.advanceTimersByTimeAsync(100_000); // it said something less than 45 s ago
    expect(b.ended).toBeNull();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(b.ended).toContain("nothing came");
  });
});

describe("what stock clients say besides", () => {
  test("is passed over: bitfield, have, unchoke, requests, metadata, keep-alives, unknown messages", () => {
    const a = new Watched("a");
    a.wire.receive(greeting);
    a.wire.receive(extendedHandshake("d1:ei0e1:md11:ut_metadatai3e7:sh_livei9ee13:metadata_sizei120e1:pi6881e1:v5:Stocke"));
    expect(a.opened).toEqual({ peerId: peerId("other"), port: 6881 });
    for (const m of [
      message(5, 0x80), message(4, u32(0)), message(1), message(0), message(2), message(3), u32(0), message(6, u32(0), u32(0), u32(16_384)),
      message(7, u32(0), u32(0), new Uint8Array(16_384)), message(9, 1, 2), message(20, 3, utf8("d8:msg_typei0e5:piecei0ee")), message(99, 1, 2, 3),
    ])
      a.wire.receive(m);
    a.wire.receive(frame(5));
    expect(a.frames).toEqual([new Uint8Array([5])]);
    expect(a.ended).toBeNull();
  });

  test("without sh_live ends after 10 s, in which it may still be said", async () => {
    const a = new Watched("a");
    const b = new Watched("b");
    for (const w of [a, b]) w.wire.receive(concat(greeting, extendedHandshake("d1:md11:ut_metadatai3eee")));
    b.wire.receive(extendedHandshake());
    await vi.advanceTimersByTimeAsync(15_000);
    expect(a.ended).toContain("does not speak sh_live");
    expect(b.ended).toBeNull();
  });

  test("a number that is said again later changes nothing", async () => {
    const a = new Watched("a");
    a.wire.receive(concat(greeting, extendedHandshake(), extendedHandshake("d1:md7:sh_livei8eee")));
    await settled();
    a.written.length = 0;
    a.wire.send(new Uint8Array([3]));
    await settled();
    expect(hex(a.output())).toBe("00000003140703");
  });
});

describe("a peer that is no use or means harm is ended", () => {
  const opening = concat(greeting, extendedHandshake());
  const greetingWith = (at: number, bytes: Uint8Array) => {
    const g = greeting.slice();
    g.set(bytes, at);
    return g;
  };
  test.each<[string, Bytes]>([
    ["another protocol", utf8("GET / HTTP/1.1\r\n".repeat(5))],
    ["another torrent", greetingWith(28, new Uint8Array(20))],
    ["itself", greetingWith(48, peerId("a"))],
    ["no extensions", greetingWith(25, new Uint8Array([0]))],
    ["a message too long by a byte", concat(opening, u32(maxFrame + 3))],
    ["a message of 4 GiB", concat(opening, u32(2 ** 32 - 1))],
    ["a frame before its extended handshake", concat(greeting, frame(1))],
    ["a frame without bytes", concat(opening, message(20, 1))],
    ["an extended handshake that is none", concat(greeting, extendedHandshake("xy"))],
    ["an extended handshake that is a list", concat(greeting, extendedHandshake("le"))],
    ["an extended handshake that nests without end", concat(greeting, extendedHandshake("l".repeat(60_000)))],
  ])("%s", (_, bytes) => {
    const a = new Watched("a");
    a.wire.receive(bytes);
    expect(a.ended).not.toBeNull();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("one that never finishes its greeting, after 10 s", async () => {
    const a = new Watched("a");
    a.wire.receive(greeting.subarray(0, 67));
    await vi.advanceTimersByTimeAsync(15_000);
    expect(a.ended).not.toBeNull();
  });
});

test("what nests without end is refused before it fills the stack", () => {
  expect(() => decode(utf8("l".repeat(60_000)))).toThrow("nest");
});

describe("however the channel cuts the bytes", () => {
  const cut = (bytes: Bytes, at: number[]): Bytes[] => {
    const edges = [0, ...at.map((x) => x % (bytes.length + 1)).sort((x, y) => x - y), bytes.length];
    return edges.slice(1).map((to, i) => bytes.slice(edges[i], to));
  };
  const anything = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 300 }).map((f) => ({ frame: f as Bytes, bytes: message(20, 1, f) })),
    fc.uint8Array({ maxLength: 300 }).map((f) => ({ frame: null, bytes: message(5, f) })),
    fc.constant({ frame: null, bytes: u32(0) }),
  );

  test("the same frames arrive", () => {
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 40 }), (said, at) => {
        const a = new Watched("a");
        for (const part of cut(concat(greeting, extendedHandshake(), ...said.map((s) => s.bytes)), at)) a.wire.receive(part);
        a.wire.close();
        expect(a.frames).toEqual(said.flatMap((s) => s.frame ?? []));
        expect(a.ended).toBeNull();
      }),
    );
  });

  test("any bytes at all end the connection or are passed over, the same way in one part and in many", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(), { maxLength: 10 }), (greeted, noise, at) => {
        const bytes = concat(...(greeted ? [greeting, extendedHandshake()] : []), noise);
        const whole = new Watched("a");
        const parts = new Watched("a");
        whole.wire.receive(bytes);
        for (const part of cut(bytes, at)) parts.wire.receive(part);
        expect([parts.ended, parts.frames]).toEqual([whole.ended, whole.frames]);
        whole.wire.close();
        parts.wire.close();
      }),
    );
  });
});
