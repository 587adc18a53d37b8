// The rules of who is connected to whom, with fakes for connections and a real tracker.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { type Bytes, text, utf8 } from "../../player/bytes.ts";
import { sameConnection } from "../../player/rtc/descriptions.ts";
import { Peering, type PeeringOptions } from "../../player/rtc/peering.ts";
import { writeSignal } from "../../player/rtc/signals.ts";
import { TestTracker } from "../support/tracker.ts";
import { Fakes, sdp, settled } from "./fakes.ts";

const peer = (digit: string) => digit.repeat(32);
const infohash = new Uint8Array(20).fill(9) as Bytes;
const hash = "\t".repeat(20);

interface Heard {
  to: string;
  type: string;
  id: string;
  sdp: string;
}

class Rig {
  readonly fakes = new Fakes();
  readonly relayed: Heard[] = [];
  readonly opened: [number, boolean][] = [];
  readonly closed: number[] = [];
  readonly data: [number, Bytes][] = [];
  readonly troubles: string[] = [];
  readonly sizes: number[] = [];
  readonly peering: Peering;

  constructor(o: Partial<PeeringOptions> = {}) {
    this.peering = new Peering({
      infohash,
      peerId: utf8("-SH0100-me.........."),
      trackers: [],
      iceServers: [],
      relayOnly: false,
      connect: this.fakes.connect,
      relay: (to, body) => this.relayed.push({ ...(JSON.parse(text(body)) as Heard), to }),
      on: {
        opened: (c, i) => this.opened.push([c, i]),
        data: (c, b) => this.data.push([c, b]),
        closed: (c) => this.closed.push(c),
        trouble: (_, s) => this.troubles.push(s),
        swarm: (n) => this.sizes.push(n),
      },
      ...o,
    });
    rigs.push(this);
    this.peering.start();
    this.fakes.all.length = 0; // those of offers
  }

  get tracker(): { socket: unknown } {
    return (this.peering as unknown as { trackers: { socket: unknown }[] }).trackers[0]!;
  }

  signal(from: string, type: "offer" | "answer", id: string): void {
    this.peering.signal(from, writeSignal({ type, id, sdp: sdp("theirs") })!);
  }

  /** Connects to a peer, which answers. */
  async connected(to: string): Promise<number> {
    expect(this.peering.dial(to)).toBe(true);
    await settled();
    this.signal(to, "answer", this.relayed.at(-1)!.id);
    this.fakes.last.on.open();
    return this.opened.at(-1)![0];
  }
}

const rigs: Rig[] = [];
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] }));
afterEach(() => {
  for (const r of rigs.splice(0)) {
    r.peering.leave();
    expect(r.fakes.open, "connections that nobody closed").toBe(0);
  }
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("by signals through the swarm", () => {
  test("a peer is called, answers, and its bytes come by number", async () => {
    const r = new Rig();
    const conn = await r.connected(peer("b"));
    expect(r.relayed).toMatchObject([{ to: peer("b"), type: "offer", id: expect.stringMatching(/^[0-9a-f]{32}$/) }]);
    expect(r.opened).toEqual([[conn, true]]);
    r.fakes.last.on.data(utf8("x"));
    expect(r.data).toEqual([[conn, utf8("x")]]);
    expect(r.peering.send(conn, utf8("y"))).toBe(true);
    expect(r.peering.send(conn + 1, utf8("y"))).toBe(false);
    r.fakes.last.on.closed("gone");
    expect(r.closed).toEqual([conn]);
  });

  test("a peer that calls is answered", async () => {
    const r = new Rig();
    r.signal(peer("b"), "offer", "1".repeat(32));
    await settled();
    expect(r.relayed).toMatchObject([{ to: peer("b"), type: "answer", id: "1".repeat(32) }]);
    r.fakes.last.on.open();
    expect(r.opened).toEqual([[1, false]]);
  });

  test.each([["higher", "f", false], ["lower", "0", true]])("of two that call each other at once, with the %s id theirs, the higher goes on", async (_, digit, mineGoesOn) => {
    const r = new Rig();
    r.peering.dial(peer("b"));
    await settled();
    r.signal(peer("b"), "offer", digit.repeat(32));
    await settled();
    expect(r.fakes.all.map((c) => c.closed)).toEqual(mineGoesOn ? [false] : [true, false]);
    expect(r.relayed.map((s) => s.type)).toEqual(mineGoesOn ? ["offer"] : ["offer", "answer"]);
  });

  test("a peer that was tried in vain rests for 10 s, doubling to 10 min; whose answer came late, too", async () => {
    const r = new Rig();
    for (const rest of [10, 20, 40, 80, 160, 320, 600, 600]) {
      expect(r.peering.dial(peer("b"))).toBe(true);
      await settled();
      await vi.advanceTimersByTimeAsync(10_000);
      expect(r.fakes.open).toBe(0);
      r.signal(peer("b"), "answer", r.relayed.at(-1)!.id);
      expect(r.peering.dial(peer("b"))).toBe(false);
      await vi.advanceTimersByTimeAsync(rest * 1_000 - 1);
      expect(r.peering.dial(peer("b"))).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
    }
    const conn = await r.connected(peer("b"));
    r.peering.close(conn, false);
    expect(r.peering.dial(peer("b"))).toBe(true);
  });

  test("there is one connection to a peer, and no more attempts than a browser bears", async () => {
    const r = new Rig({ maxConns: 20 });
    await r.connected(peer("b"));
    expect(r.peering.dial(peer("b"))).toBe(false);
    for (let i = 0; i < 100; i++) r.signal(peer("d"), "offer", i.toString(16).padStart(32, "0"));
    await settled();
    expect(r.fakes.open).toBe(1 + 2);
    for (let i = 0; i < 100; i++) r.peering.dial(i.toString(16).padStart(32, "c"));
    await settled();
    expect(r.fakes.open).toBe(1 + 16);
  });

  test("what was not asked, and what others answer, changes nothing", async () => {
    const r = new Rig();
    r.peering.dial(peer("b"));
    await settled();
    const id = r.relayed[0]!.id;
    r.signal(peer("c"), "answer", id);
    r.signal(peer("b"), "answer", "0".repeat(32));
    for (const bad of ["", "{}", "[]", "no", `{"type":"offer","id":"${id}"}`, `{"type":"pranswer","id":"${id}","sdp":"${sdp("x")}"}`, "x".repeat(9_000)]) r.peering.signal(peer("b"), utf8(bad));
    await settled();
    expect(r.fakes.last.answers).toEqual([]);
    expect(r.fakes.all).toHaveLength(1);
  });

  test("any bytes at all are no signal, and make no trouble", () => {
    const r = new Rig();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (b) => r.peering.signal(peer("b"), b as Bytes)));
    fc.assert(fc.property(fc.json(), (j) => r.peering.signal(peer("b"), utf8(j))));
    expect(r.fakes.all).toEqual([]);
  });
});

describe("a change of network", () => {
  test("mends connections with peers that can be signalled, and lets those be tried again that were in vain", async () => {
    const r = new Rig();
    const conn = await r.connected(peer("b"));
    const c = r.fakes.last;
    const id = r.relayed[0]!.id;
    r.peering.networkChanged();
    await settled();
    expect(r.relayed.at(-1)).toMatchObject({ to: peer("b"), type: "offer", id });
    r.signal(peer("b"), "answer", id);
    await settled();
    expect([c.restarts, c.answers.length, r.closed]).toEqual([1, 2, []]);
    // The other side's turn.
    r.signal(peer("b"), "offer", id);
    await settled();
    expect(r.relayed.at(-1)).toMatchObject({ to: peer("b"), type: "answer", id });
    // Nobody else may: it is not their connection.
    r.signal(peer("c"), "offer", id);
    expect(c.accepted).toHaveLength(1);
    expect(r.peering.send(conn, utf8("x"))).toBe(true);
  });

  test("of two that mend at once, who made the connection goes on", async () => {
    const r = new Rig();
    await r.connected(peer("b"));
    const [mine] = [r.fakes.last];
    r.signal(peer("c"), "offer", "1".repeat(32));
    await settled();
    const theirs = r.fakes.last;
    theirs.on.open();
    r.peering.networkChanged();
    await settled();
    r.signal(peer("b"), "offer", r.relayed[0]!.id);
    r.signal(peer("c"), "offer", "1".repeat(32));
    expect(mine!.accepted).toEqual([]);
    expect(theirs.accepted).toHaveLength(2);
  });

  test("one that changes again before the answer came is told of after it: an answer fits one offer only", async () => {
    const r = new Rig();
    await r.connected(peer("b"));
    const id = r.relayed[0]!.id;
    for (let i = 0; i < 3; i++) r.peering.networkChanged();
    await settled();
    expect(r.fakes.last.restarts).toBe(1);
    r.signal(peer("b"), "answer", id);
    await settled();
    expect(r.fakes.last.restarts).toBe(2);
    r.signal(peer("b"), "answer", id);
    await settled();
    expect(r.relayed.slice(1).map((s) => s.type)).toEqual(["offer", "offer"]);
  });

  test("a peer that offers again before it was answered is not listened to twice", async () => {
    const r = new Rig();
    await r.connected(peer("b"));
    const id = r.relayed[0]!.id;
    for (let i = 0; i < 3; i++) r.signal(peer("b"), "offer", id);
    await settled();
    r.signal(peer("b"), "offer", id);
    await settled();
    expect(r.fakes.last.accepted).toHaveLength(2);
  });

  test("a peer that answers with another connection is connected to anew", async () => {
    const r = new Rig();
    const conn = await r.connected(peer("b"));
    r.fakes.last.same = false;
    r.peering.networkChanged();
    await settled();
    r.signal(peer("b"), "answer", r.relayed.at(-1)!.id);
    await settled();
    expect(r.closed).toEqual([conn]);
    expect(r.relayed.at(-1)).toMatchObject({ to: peer("b"), type: "offer" });
    expect(r.relayed.at(-1)!.id).not.toBe(r.relayed[0]!.id);
  });
});

test("a description of the same connection is told from one of another, though certificates are shared", () => {
  const say = (session: number, version: number, print: string) => `v=0\r\no=- ${session} ${version} IN IP4 0.0.0.0\r\n${sdp(print)}`;
  expect(sameConnection(say(7, 2, "sha-256 AA"), say(7, 3, "sha-256 aa"))).toBe(true);
  expect(sameConnection(say(7, 2, "sha-256 AA"), say(8, 2, "sha-256 AA"))).toBe(false);
  expect(sameConnection(say(7, 2, "sha-256 AA"), say(7, 2, "sha-256 BB"))).toBe(false);
});

describe("who is banned", () => {
  test("is neither called nor answered, and its other connections end", async () => {
    const r = new Rig();
    const conn = await r.connected(peer("b"));
    r.signal(peer("c"), "offer", "1".repeat(32));
    await settled();
    r.fakes.last.on.open();
    const second = r.opened.at(-1)![0];
    r.peering.identify(second, peer("b"));
    r.peering.close(conn, true);
    expect(r.closed).toEqual([second]);
    expect(r.peering.dial(peer("b"))).toBe(false);
    const before = r.fakes.all.length;
    r.signal(peer("b"), "offer", "2".repeat(32));
    expect(r.fakes.all).toHaveLength(before);
  });

  test("is known by the name that the swarm gives it, however it comes", async () => {
    const r = new Rig();
    r.peering.close(await r.connected(peer("b")), true);
    r.signal(peer("c"), "offer", "1".repeat(32));
    await settled();
    r.fakes.last.on.open();
    r.peering.identify(r.opened.at(-1)![0], peer("b"));
    expect(r.closed).toEqual([r.opened.at(-1)![0]]);
  });
});

describe("through a tracker", () => {
  let server: TestTracker;
  const other = "-WW0000-other.......";
  const from = (bt: string, offer: string, more: object) => server.say({ action: "announce", info_hash: hash, peer_id: bt, offer_id: offer.padEnd(20, "."), ...more });
  const theirOffer = { offer: { type: "offer", sdp: sdp("theirs") } };
  const theirAnswer = { answer: { type: "answer", sdp: sdp("theirs") } };
  const until = (what: string, good: () => boolean) => vi.waitFor(() => expect(good(), what).toBe(true), { interval: 1 });
  const hear = () => vi.waitFor(() => expect(server.heard.length).toBeGreaterThan(0), { interval: 1 });

  beforeEach(async () => {
    vi.useRealTimers();
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    vi.stubGlobal("WebSocket", WebSocket);
    server = await TestTracker.start();
    server.answer = () => ({ incomplete: 9, interval: 15 });
  });
  afterEach(async () => {
    for (const r of rigs) r.peering.leave();
    await server.stop();
    vi.unstubAllGlobals();
  });

  test("peers meet both ways: theirs is the offer, or ours", async () => {
    const r = new Rig({ trackers: [server.url] });
    await hear();
    const offers = server.heard[0]!.offers!;
    expect(offers).toHaveLength(2);
    from(other, "1", theirOffer);
    await until("answered", () => server.heard.some((m) => m["to_peer_id"] === other));
    r.fakes.last.on.open();
    expect(r.opened).toEqual([[1, false]]);
    from("-WW0000-third.......", offers[0]!.offer_id, theirAnswer);
    await settled();
    from("-WW0000-fourth......", offers[0]!.offer_id, theirAnswer); // too late
    from("-WW0000-fourth......", "never offered", theirAnswer);
    from(other, "2", theirOffer); // connected already
    from("-WW0000-fifth.......", "3", theirOffer);
    await until("answered", () => server.heard.some((m) => m["to_peer_id"] === "-WW0000-fifth......."));
    expect(r.fakes.all).toHaveLength(2);
  });

  test("offers that nobody answered are made again, not more of them, and closed 30 s after they were last of use", async () => {
    const fakes = new Fakes();
    const r = new Rig({ trackers: [server.url], connect: fakes.connect });
    const announced = async (times: number) => {
      await until(`announced ${times} times`, () => server.heard.length === times && r.sizes.length === times);
      return server.heard.at(-1)!.offers!.map((o) => o.offer_id);
    };
    const first = await announced(1);
    expect(first).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(16_000);
    expect(await announced(2)).toEqual(first);
    expect([fakes.all.length, fakes.open]).toEqual([2, 2]);
    server.answer = () => ({ incomplete: 1, interval: 60 }); // everybody else left
    await vi.advanceTimersByTimeAsync(31_000);
    const third = await announced(3);
    expect(third).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(await announced(4)).toEqual([]);
    expect(fakes.open).toBe(0);
  });

  test("a flood of offers costs no more connections than a few", async () => {
    const r = new Rig({ trackers: [server.url] });
    await hear();
    r.fakes.refuse = true; // so that each makes room for the next
    for (let i = 0; i < 60; i++) from(`-WW0000-${i}`.padEnd(20, "."), String(i), theirOffer);
    server.cut();
    await until("all heard", () => r.tracker.socket === null);
    expect(r.fakes.all.length).toBeGreaterThanOrEqual(16);
    expect(r.fakes.all.length).toBeLessThan(20);
  });

  test("who was banned is not taken in again, by its offers or answers", async () => {
    const r = new Rig({ trackers: [server.url] });
    await hear();
    from(other, "1", theirOffer);
    await until("answered", () => server.heard.some((m) => m["to_peer_id"] === other));
    r.fakes.last.on.open();
    r.peering.close(1, true);
    from(other, "2", theirOffer);
    from(other, server.heard[0]!.offers![0]!.offer_id, theirAnswer);
    from("-WW0000-third.......", "3", theirOffer);
    await until("answered", () => server.heard.some((m) => m["to_peer_id"] === "-WW0000-third......."));
    expect(r.fakes.all).toHaveLength(2);
  });

  test("whoever cannot be reached at all is told so, once, and so when that is over", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
    const r = new Rig();
    for (let i = 0; i < 8; i++) {
      r.peering.dial(i.toString().repeat(32));
      await vi.advanceTimersByTimeAsync(10_000);
    }
    expect(r.troubles).toEqual([expect.stringContaining("WebRTC")]);
    await r.connected(peer("b"));
    expect(r.troubles.slice(1)).toEqual([""]);
  });
});
