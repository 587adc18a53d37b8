import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bytes, text, utf8 } from "../player/bytes.ts";
import { answerFrom } from "../player/bus/answer.ts";
import { publish, Reader, type Said } from "../player/bus/protocol.ts";

const session = 'INFO {"server_id":"x","max_payload":8192}\r\nPING\r\nPONG\r\n+OK\r\nMSG shoal.manifest.a.v0 1 5\r\n{"a"}\r\nMSG s 2 reply 0\r\n\r\n-ERR \'Permissions Violation\'\r\n';
const told: Said[] = [
  { op: "info" },
  { op: "ping" },
  { op: "pong" },
  { op: "msg", subject: "shoal.manifest.a.v0", data: utf8('{"a"}') },
  { op: "msg", subject: "s", data: new Uint8Array() },
  { op: "error", why: "Permissions Violation" },
];

test("what a NATS server says is read the same in whatever pieces it comes", () => {
  const bytes = utf8(session);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }), (cuts) => {
      const reader = new Reader();
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const said = at.slice(1).flatMap((end, i) => reader.read(bytes.slice(at[i], end)));
      expect(said).toEqual(told);
    }),
  );
});

test.each([
  ["a line without an end", "x".repeat(9_000)],
  ["a message that is too large", "MSG s 1 300000\r\n"],
  ["a message of a negative size", "MSG s 1 -1\r\n"],
  ["a message without a subject", "MSG 1 5\r\n"],
  ["a message longer than it says", "MSG s 1 2\r\nabcd\r\n"],
  ["another protocol", "HTTP/1.1 200 OK\r\n"],
])("%s ends the connection", (_, text) => expect(() => new Reader().read(utf8(text))).toThrow());

test("no bytes make it do anything but read or refuse", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(utf8("MSG s 1 3\r\n"), utf8("PING\r\n"), utf8("abc\r\n"))), { maxLength: 8 }), (parts) => {
      const reader = new Reader();
      try {
        for (const part of parts) for (const said of reader.read(part as Bytes)) expect(said.op).toMatch(/^(info|ping|pong|error|msg)$/);
      } catch (e) {
        expect(e).toBeInstanceOf(Error);
      }
    }),
  );
});

test("a report is published with its size in bytes and where it is to be answered", () => {
  expect(text(publish("shoal.telemetry.a.b", "shoal.control.a.b", utf8("é")))).toBe("PUB shoal.telemetry.a.b shoal.control.a.b 2\r\né\r\n");
});

test.each([
  ['{"stream":"TELEMETRY","seq":7}', true],
  ['{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"TELEMETRY","seq":0}', false],
  ['{"swap":"to another edge"}', null],
  ["null", null],
  ["not JSON", null],
])("%s is what JetStream says of a report, or something else: %s", (said, want) => expect(answerFrom(utf8(said))).toBe(want));
