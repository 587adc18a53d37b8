import fc from "fast-check";
import { expect, test } from "vitest";
import { Malformed, trackIds } from "../../player/swarm/codec.ts";
import { Decoder } from "../../player/swarm/codec_decode.ts";
import { Encoder } from "../../player/swarm/codec_encode.ts";
import { Mask } from "../../player/swarm/masks.ts";
import { type Head, maxEnvelope, maxFrame, maxHints, maxNumber, type Message, type State } from "../../player/swarm/messages.ts";
import { anyBytes, anyKind, anyMessage } from "./messages.ts";
import { bytes, vectors } from "./vectors.ts";

/** Sends a message over a connection and returns what arrives. */
function over(e: Encoder, d: Decoder, m: Message): { got: Message | null; frames: number } {
  const frames = e.encode(m);
  const got = frames.map((f) => d.decode(f));
  expect(frames.every((f) => f.length <= maxFrame)).toBe(true);
  expect(got.slice(0, -1).every((g) => g === null)).toBe(true);
  return { got: got.at(-1)!, frames: frames.length };
}

const at = { r: "v0", epoch: 1, n: 0 };

/** A decoder to which a stream and track 0 were declared. */
function greeted(): Decoder {
  const d = new Decoder();
  d.decode(bytes(`0101${"00".repeat(42)}`));
  d.decode(bytes("000000000000000000017630"));
  return d;
}

test("what is sent is what arrives, whatever it is and in whatever order", () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 30 }), (messages) => {
      const [e, d] = [new Encoder(), new Decoder()];
      for (const m of messages) expect(over(e, d, m).got).toEqual(m);
    }),
    { numRuns: 60 },
  );
});

test("each kind of message has an example among those", () => {
  const kinds = new Set<number>();
  for (const kind of anyKind) for (const f of new Encoder().encode(fc.sample(kind, 1)[0]!)) kinds.add(f[0]!);
  expect([...kinds].sort((a, b) => a - b)).toEqual(Array.from({ length: 23 }, (_, i) => i));
});

test("a stranger's bytes give a message or are refused, and nothing else comes of them", () => {
  const known = vectors<{ conversations: { steps: { frames: string[] }[] }[] }>("encoding.json").conversations.flatMap((c) => c.steps.flatMap((s) => s.frames.map(bytes)));
  const spoilt = fc.tuple(fc.constantFrom(...known), fc.nat(), fc.nat(255), fc.nat(20)).map(([f, i, b, cut]) => {
    const out = f.slice(0, Math.max(1, f.length - cut));
    out[i % out.length] = b;
    return out;
  });
  const ofAKind = fc.tuple(fc.nat(23), anyBytes(0, 120)).map(([kind, rest]) => new Uint8Array([kind, ...rest]));
  fc.assert(
    fc.property(fc.array(fc.oneof(spoilt, ofAKind, anyBytes(0, 300)), { minLength: 1, maxLength: 8 }), (frames) => {
      const d = greeted();
      for (const frame of frames) {
        const sent = frame.slice();
        try {
          const m = d.decode(frame);
          // What can be read is what somebody could have sent.
          if (m) expect(over(new Encoder(), new Decoder(), m).got).toEqual(m);
        } catch (e) {
          expect(e).toBeInstanceOf(Malformed);
        }
        expect(frame).toEqual(sent);
      }
    }),
    { numRuns: 1500 },
  );
});

test("more tracks than there are ids are declared anew, one at a time", () => {
  const [e, d] = [new Encoder(), new Decoder()];
  for (let round = 0; round < 3; round++) {
    for (let epoch = 1; epoch <= 2 * trackIds; epoch++) {
      const m: Message = { type: "Have", r: "v0", epoch, n: round, count: 1 };
      expect(over(e, d, m)).toEqual({ got: m, frames: 2 });
      expect(over(e, d, m)).toEqual({ got: m, frames: 1 });
    }
  }
});

test("what nobody would accept is not sent, and leaves no trace", () => {
  const none = new Uint8Array(0);
  const id = "00".repeat(16);
  const root = "00".repeat(32);
  const head: Omit<Head, "payload"> = { type: "Head", sig: new Uint8Array(64), keyId: "00".repeat(8), leaves: [] };
  const state: State = { type: "State", r: "v0", depth: [0, 0, 0, 0, 0], branch: [0, 0, 0, 0, 0], spare: 0, least: 0, open: 0 };
  const hint = { id, role: "viewer", address: null } as const;
  const bad: Message[] = [
    { type: "Have", ...at, epoch: 0, count: 1 },
    { type: "Have", ...at, r: "", count: 1 },
    { type: "Have", ...at, n: 2 ** 60, count: 1 },
    { type: "Have", ...at, n: 0.5, count: 1 },
    { type: "Have", ...at, count: 0 },
    { type: "Have", ...at, n: maxNumber, count: 2 },
    { type: "Block", ...at, index: 0, data: none },
    { type: "Block", ...at, index: 256, data: new Uint8Array(1) },
    { type: "Block", ...at, index: 0, data: new Uint8Array(16385) },
    { type: "Want", ...at, blocks: new Mask() },
    { type: "GetHeads", ...at, count: 0 },
    { type: "Hello", version: 1, stream: "Live", id, role: "viewer", leaf: false, up: 0 },
    { ...head, payload: none },
    { ...head, payload: new Uint8Array(maxFrame) },
    { type: "Grant", r: "v0", lanes: 32 },
    { type: "Subscribe", r: "V0", lanes: 0, urgent: false },
    { ...state, r: "" },
    { ...state, depth: [0] },
    { ...state, spare: 65536 },
    { type: "Records", envelopes: [new Uint8Array(maxEnvelope), new Uint8Array(maxEnvelope)] },
    { type: "Records", envelopes: [none] },
    { type: "Peers", hints: Array.from({ length: maxHints + 1 }, () => hint) },
    { type: "Peers", hints: [{ ...hint, address: { ip: new Uint8Array(5), port: 1 } }] },
    { type: "Credit", limit: 2 ** 53 },
    { type: "Ping", token: 2 ** 32 },
    { type: "Signal", from: id, to: id, body: none },
    { type: "Signal", from: "me", to: id, body: new Uint8Array(1) },
    { type: "Init", root, total: 1, offset: 1, data: new Uint8Array(1) },
    { type: "Bye", reason: 256 },
  ];
  for (const m of bad) {
    const e = new Encoder();
    expect(() => e.encode(m), m.type).toThrow(Malformed);
    expect(e.encode({ type: "Have", ...at, count: 1 })[0]![1], m.type).toBe(0); // no id was taken
  }
});

test("an IPv4 address is never written as IPv6", () => {
  const mapped = bytes("00000000000000000000ffffc0000207");
  const hint = { id: "22".repeat(16), role: "edge", address: { ip: mapped, port: 6881 } } as const;
  const { got } = over(new Encoder(), new Decoder(), { type: "Peers", hints: [hint] });
  expect(got).toEqual({ type: "Peers", hints: [{ ...hint, address: { ip: bytes("c0000207"), port: 6881 } }] });
});

test("a later version may say more in its Hello", () => {
  const hello: Message = { type: "Hello", version: 1, stream: "a".repeat(32), id: "00".repeat(16), role: "viewer", leaf: false, up: 5 };
  const frame = new Encoder().encode(hello)[0]!;
  const grown = new Uint8Array([...frame, 1, 2, 3]);
  grown[38] = 77; // a role
  grown[39] = 0xfe; // flags
  expect(new Decoder().decode(grown)).toEqual(hello);
});
