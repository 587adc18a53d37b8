// Real sockets, and a clock that is turned by hand.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import type { Bytes } from "../../player/bytes.ts";
import { binary, type Offer, read } from "../../player/tracker/messages.ts";
import { Tracker } from "../../player/tracker/tracker.ts";
import { TestTracker } from "../support/tracker.ts";
import { sdp } from "./fakes.ts";

const infohash = new Uint8Array(20).fill(0xfe) as Bytes;
const me = new Uint8Array(20).fill(1) as Bytes;
const other = "x".repeat(20);
const offerId = "o".repeat(20);

/** As in browsers, where an error that nobody listens for ends nothing. */
class BrowserSocket extends WebSocket {
  constructor(url: string) {
    super(url);
    this.on("error", () => {});
  }
}

let server: TestTracker;
let tracker: Tracker;

/** What the tracker told us, and what we tell it. */
class Told {
  offers: Offer[] = [{ id: offerId, sdp: sdp("ours") }];
  few = false;
  readonly offered: string[] = [];
  readonly answered: string[] = [];
  readonly sizes: number[] = [];
  readonly troubles: string[] = [];

  join(url = server.url): void {
    tracker = new Tracker({
      url,
      infohash,
      peerId: me,
      on: {
        offers: async () => this.offers,
        offer: (peer, _, __, answer) => {
          this.offered.push(peer);
          answer(sdp("answer"));
        },
        answer: (peer, id) => this.answered.push(peer + id),
        swarm: (n) => this.sizes.push(n),
        trouble: (s) => this.troubles.push(s),
        few: () => this.few,
      },
    });
  }

  /** Waits until the tracker has heard so many announces and answered them. */
  async announced(times: number): Promise<void> {
    await expect.poll(() => server.heard.filter((m) => !m["answer"]).length, { interval: 2 }).toBe(times);
    await this.heardAll();
  }

  /** Waits until everything that was said to this side has come: said last, this comes last. */
  async heardAll(): Promise<void> {
    const marker = `${this.offered.length}`.padStart(20, "m");
    server.say({ action: "announce", info_hash: binary(infohash), peer_id: marker, offer_id: "a".repeat(20), answer: { type: "answer", sdp: sdp("marker") } });
    await expect.poll(() => this.answered.at(-1), { interval: 2 }).toBe(marker + "a".repeat(20));
    this.answered.pop();
  }
}

const announce = (more: object) => ({ action: "announce", info_hash: binary(infohash), ...more });
const advance = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(async () => {
  vi.stubGlobal("WebSocket", BrowserSocket);
  server = await TestTracker.start();
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance", "Date"] });
});
afterEach(async () => {
  tracker.leave();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  await server.stop();
});

describe("a peer in a swarm", () => {
  test("announces its offers, hears how many there are, and says when it leaves", async () => {
    const told = new Told();
    told.join();
    await told.announced(1);
    expect(server.heard[0]).toMatchObject({
      action: "announce", event: "started", info_hash: binary(infohash), peer_id: binary(me), numwant: 1, left: expect.any(Number),
      offers: [{ offer_id: offerId, offer: { type: "offer", sdp: sdp("ours") } }],
    });
    expect(server.heard[0]!["left"]).toBeGreaterThan(0);
    expect(told.sizes).toEqual([1]);
    tracker.leave();
    await expect.poll(() => server.heard.at(-1)?.["event"]).toBe("stopped");
  });

  test("answers offers, and is told of answers to its own", async () => {
    const told = new Told();
    told.join();
    await told.announced(1);
    server.say(announce({ peer_id: other, offer_id: offerId, offer: { type: "offer", sdp: sdp("theirs") } }));
    await expect.poll(() => server.heard.at(-1)).toMatchObject({ to_peer_id: other, offer_id: offerId, peer_id: binary(me), answer: { type: "answer", sdp: sdp("answer") } });
    server.say(announce({ peer_id: other, offer_id: offerId, answer: { type: "answer", sdp: sdp("theirs") } }));
    await expect.poll(() => told.answered).toEqual([other + offerId]);
  });

  test.each([[60, 60], [0.1, 15], [1e8, 1_800], ["soon", 120]])("asked to announce every %s s, does so every %i s", async (interval, seconds) => {
    server.answer = () => ({ interval });
    const told = new Told();
    told.join();
    await told.announced(1);
    await advance((seconds - 1) * 1_000);
    await told.heardAll();
    expect(server.heard).toHaveLength(1);
    await advance(2_000);
    await told.announced(2);
    expect(server.heard[1]!["event"]).toBeUndefined();
  });

  test("that has few connections announces sooner, and less and less so", async () => {
    const told = new Told();
    told.few = true;
    told.join();
    await told.announced(1);
    for (const [i, seconds] of [15, 30, 60, 120, 120].entries()) {
      await advance((seconds - 1) * 1_000);
      await told.heardAll();
      expect(server.heard).toHaveLength(i + 1);
      await advance(2_000);
      await told.announced(i + 2);
    }
  });
});

describe("a tracker that goes away", () => {
  test("is asked again, ever more seldom, and people are told until it is back", async () => {
    const told = new Told();
    const port = server.port;
    await server.stop();
    told.join(`ws://127.0.0.1:${port}/announce`);
    await expect.poll(() => told.troubles.length).toBe(1);
    expect(told.troubles[0]).toMatch(/127\.0\.0\.1:\d+.*cannot be reached/);
    let attempts = 1;
    for (let s = 0; s < 300; s++) {
      await advance(1_000);
      await new Promise((r) => setImmediate(r));
      const tried = told.troubles.length;
      if (tried > attempts) attempts = tried;
    }
    expect(attempts).toBeGreaterThan(4);
    expect(attempts).toBeLessThan(16);
    server = await TestTracker.start(port);
    await advance(91_000);
    await told.announced(1);
    expect(told.troubles.at(-1)).toBe("");
  });

  test("for a moment is joined again, as one that starts", async () => {
    const told = new Told();
    told.join();
    await told.announced(1);
    server.cut();
    await expect.poll(() => (tracker as unknown as { socket: unknown }).socket).toBeNull();
    await advance(2_500);
    await told.announced(2);
    expect(server.heard[1]!["event"]).toBe("started");
    expect(told.troubles.filter((t) => t !== "")).toEqual([]);
  });

  test("without a word is left after 15 s, and asked anew", async () => {
    server.answer = () => null;
    const told = new Told();
    told.join();
    await told.announced(1);
    await advance(16_000);
    expect(told.troubles.at(-1)).toContain("does not answer");
    await advance(2_000);
    await told.announced(2);
  });

  test("while the machine sleeps is joined again at once", async () => {
    const told = new Told();
    told.join();
    await told.announced(1);
    vi.setSystemTime(Date.now() + 600_000);
    await advance(1_000);
    await told.announced(2);
    expect(server.connections).toBe(2);
  });

  test("with a reason that it gives: people are told, and it is asked again at its interval", async () => {
    server.answer = () => ({ "failure reason": "this stream is not served here" });
    const told = new Told();
    told.join();
    await told.announced(1);
    expect(told.troubles.at(-1)).toContain("this stream is not served here");
    expect(server.connections).toBe(1);
    await advance(121_000);
    await told.announced(2);
  });

  test("because its address is none, costs nothing but a sentence", async () => {
    const told = new Told();
    told.join("ws://[");
    expect(told.troubles).toEqual([expect.stringContaining("no help")]);
  });
});

describe("a tracker that lies or floods", () => {
  test("is not believed what is about others, what is malformed, and offers of ourselves", async () => {
    const told = new Told();
    told.join();
    await told.announced(1);
    const offer = { type: "offer", sdp: sdp("theirs") };
    for (const bad of [
      "", "no JSON", "[]", "null", "7", announce({}), { ...announce({ peer_id: other, offer_id: offerId, offer }), info_hash: "y".repeat(20) },
      announce({ peer_id: binary(me), offer_id: offerId, offer }), announce({ peer_id: "short", offer_id: offerId, offer }),
      announce({ peer_id: "\u0100".repeat(20), offer_id: offerId, offer }), announce({ peer_id: other, offer_id: 7, offer }),
      announce({ peer_id: other, offer_id: offerId, offer: { type: "answer", sdp: sdp("x") } }), announce({ peer_id: other, offer_id: offerId, offer: null }),
      announce({ peer_id: other, offer_id: offerId, offer: { type: "offer", sdp: "v=0\r\nm=audio 9 x\r\nm=application 9 x\r\n" } }),
      announce({ peer_id: other, offer_id: offerId, offer: { type: "offer", sdp: sdp("x") + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(30) } }),
      announce({ peer_id: other, offer_id: offerId, offer: { type: "offer", sdp: `${sdp("x")}a=${"x".repeat(9_000)}` } }),
      announce({ complete: 5, incomplete: 5, interval: 20 }), // nothing was asked
    ])
      server.say(bad);
    await told.heardAll();
    expect([told.offered, told.answered, told.sizes]).toEqual([[], [], [1]]);
    expect(server.connections).toBe(1);
  });

  test.each([["a message without end", () => "x".repeat(70_000)], ["bytes", () => Buffer.from("bytes").toString("latin1")]])("by %s costs one message", async (what, make) => {
    const told = new Told();
    told.join();
    await told.announced(1);
    if (what === "bytes") for (const c of (server as unknown as { server: { clients: Set<WebSocket> } }).server.clients) c.send(Buffer.from(make()));
    else server.say(make());
    await expect.poll(() => told.troubles.at(-1)).toContain("sends what no tracker has to say");
    expect((tracker as unknown as { socket: unknown }).socket).toBeNull();
  });

  test("by many messages is heard no more than it needs, then left for a while", async () => {
    const told = new Told();
    told.join();
    await told.announced(1);
    for (let i = 0; i < 3_000; i++) server.say(announce({ peer_id: other, offer_id: offerId, answer: { type: "answer", sdp: sdp("x") } }));
    await expect.poll(() => told.troubles.at(-1)).toContain("far more");
    expect(told.answered.length).toBeLessThan(100);
  });

  test("with anything at all makes no trouble", () => {
    tracker = { leave() {} } as Tracker;
    const keys = fc.constantFrom("action", "info_hash", "peer_id", "offer_id", "offer", "answer", "interval", "complete", "incomplete", "failure reason");
    const values = fc.oneof(fc.jsonValue(), fc.constantFrom("announce", binary(infohash), other, -1, { type: "offer", sdp: sdp("x") }, { type: "answer" }));
    fc.assert(
      fc.property(fc.dictionary(keys, values), (said) => {
        let got;
        try {
          got = read(JSON.stringify({ action: "announce", info_hash: binary(infohash), ...said }), infohash, me);
        } catch (e) {
          expect(e).toBeInstanceOf(Error);
          return;
        }
        if (got.type === "announced" && got.swarm !== null) expect(got.swarm).toBeGreaterThanOrEqual(0);
        if (got.type === "offer" || got.type === "answer") expect([got.peer.length, got.id.length]).toEqual([20, 20]);
      }),
    );
  });
});
