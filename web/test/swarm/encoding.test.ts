import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { hex } from "../../player/bytes.ts";
import { entryFrom } from "../../player/documents.ts";
import { envelopeOf, type Message } from "../../player/swarm/messages.ts";
import { peek, types } from "../../player/dsse.ts";
import { Malformed } from "../../player/swarm/codec.ts";
import { shorten } from "../../player/swarm/codec_head.ts";
import { Decoder } from "../../player/swarm/codec_decode.ts";
import { Encoder } from "../../player/swarm/codec_encode.ts";
import { bytes, type Fields, fields, messageOf, testdata, vectors } from "./vectors.ts";

interface Step {
  message: Fields;
  frames: string[];
}

const v = vectors<{
  conversations: { what: string; steps: Step[] }[];
  grown: Step[];
  ignored: string[];
  malformed: { what: string; frame: string; zeros?: number }[];
}>("encoding.json");

/** Opens a head without a signature: its entry is whatever the payload says. */
function opened(m: Message): Message {
  if (m.type !== "Head") return m;
  try {
    const open = { ...m, entry: entryFrom(peek(envelopeOf(m), types.entry)) };
    shorten(open);
    return open;
  } catch {
    return m;
  }
}

describe("what the Go side writes", () => {
  for (const c of v.conversations) {
    test(`is written here too, byte for byte: ${c.what}`, () => {
      const e = new Encoder();
      for (const [i, step] of c.steps.entries()) expect(e.encode(opened(messageOf(step.message))).map(hex), `step ${i}`).toEqual(step.frames);
    });
  }

  for (const c of [...v.conversations, { what: "a later version's", steps: v.grown }]) {
    test(`is read here alike: ${c.what}`, () => {
      const d = new Decoder();
      for (const [i, step] of c.steps.entries()) {
        const got = step.frames.map((f) => d.decode(bytes(f)));
        const message = got.pop();
        expect(got.every((m) => m === null)).toBe(true);
        expect(fields(message!), `step ${i}`).toEqual(step.message);
      }
    });
  }

  test("is passed over where a later version will know it", () => {
    for (const frame of v.ignored) expect(new Decoder().decode(bytes(frame)), frame).toBeNull();
  });
});

describe("what nobody may send is refused", () => {
  for (const { what, frame, zeros } of v.malformed) {
    test(what, () => {
      const d = new Decoder();
      d.decode(bytes(`0101${"00".repeat(42)}`));
      d.decode(bytes("000000000000000000017630"));
      expect(() => d.decode(bytes(frame + "00".repeat(zeros ?? 0)))).toThrow(Malformed);
    });
  }
});

test("the spec's examples are read and written alike", () => {
  const spec = readFileSync(`${testdata}/../../docs/spec/live-swarm.md`, "utf8");
  const shown = [...spec.matchAll(/^ {4}((?:[0-9a-f]{2}(?:\{\d+\})?| )+)$/gm)].map(([, m]) => m!.replaceAll(" ", "").replace(/([0-9a-f]{2})\{(\d+)\}/g, (_, b: string, n: string) => b.repeat(Number(n))));
  const frames = new Set(v.conversations.find((c) => c.what === "examples")!.steps.flatMap((s) => s.frames));
  expect(new Set(shown)).toEqual(frames);
});
