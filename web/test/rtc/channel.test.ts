import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bytes, concat, hex } from "../../player/bytes.ts";
import { Channel } from "../../player/rtc/channel.ts";
import { settled } from "./fakes.ts";

/** A browser's data channel, of which nothing is taken unless the test does. */
class FakeChannel {
  readyState = "open";
  bufferedAmount = 0;
  binaryType = "";
  readonly sent: Bytes[] = [];
  onmessage: ((e: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  send(b: Bytes): void {
    this.sent.push(b.slice());
    this.bufferedAmount += b.length;
  }
  close(): void {
    this.readyState = "closed";
  }
}

function make() {
  const fake = new FakeChannel();
  const got: Bytes[] = [];
  const closed: string[] = [];
  const channel = new Channel(fake as unknown as RTCDataChannel, { open: () => {}, data: (b) => got.push(b), closed: (why) => closed.push(why) });
  return { fake, channel, got, closed };
}

test("what one turn sends goes out in order, in few messages of at most 16 KiB", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 12 }), async (sizes) => {
      const { fake, channel } = make();
      const parts = sizes.map((n, i) => new Uint8Array(n).fill(i + 1));
      for (const p of parts) expect(channel.send(p)).toBe(true);
      await settled();
      const all = concat(...parts);
      expect(hex(concat(...fake.sent)) === hex(all)).toBe(true);
      for (const m of fake.sent) expect(m.length).toBeLessThanOrEqual(16_384);
      expect(fake.sent.length).toBeLessThanOrEqual(Math.ceil(all.length / 16_384));
    }),
    { numRuns: 30 },
  );
});

test("a peer that takes nothing is closed before more than 2 MiB wait, and once", async () => {
  const { fake, channel, closed } = make();
  let sent = 0;
  while (channel.send(new Uint8Array(65_000))) {
    sent += 65_000;
    if (sent % 650_000 === 0) await settled();
  }
  expect(sent).toBeGreaterThan((2 << 20) - 65_001);
  expect(sent).toBeLessThanOrEqual(2 << 20);
  expect(closed).toEqual([expect.stringContaining("does not take")]);
  expect(fake.readyState).toBe("closed");
  expect(channel.send(new Uint8Array(1))).toBe(false);
});

test("what the browser refuses to send ends the connection and nothing else", async () => {
  const { fake, channel, closed } = make();
  fake.send = () => {
    throw new Error("OperationError");
  };
  channel.send(new Uint8Array(1));
  await settled();
  expect(closed).toHaveLength(1);
});

test.each<[string, unknown]>([["text", "hello"], ["a message of more than 64 KiB", new ArrayBuffer(65_537)], ["a blob", new Blob([])]])("%s ends the connection unread", (_, data) => {
  const { fake, got, closed } = make();
  fake.onmessage!({ data });
  expect([got.length, closed.length]).toEqual([0, 1]);
});

test("what was sent before closing goes out, and nothing more is said", async () => {
  const { fake, channel, closed } = make();
  channel.send(new Uint8Array([1, 2]));
  const onclose = fake.onclose!;
  channel.close();
  onclose();
  expect(fake.sent).toEqual([new Uint8Array([1, 2])]);
  expect(closed).toEqual([]);
});
