// The page's connection to NATS, with a server that says what the test wants it to.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Bus } from "../player/bus/bus.ts";
import { text, utf8 } from "../player/bytes.ts";

class Socket {
  static readonly OPEN = 1;
  static readonly made: Socket[] = [];
  readonly readyState = Socket.OPEN;
  binaryType = "";
  onmessage: ((e: { data: ArrayBuffer }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly said: string[] = [];

  constructor(readonly url: string) {
    Socket.made.push(this);
  }

  send(bytes: Uint8Array): void {
    this.said.push(...text(bytes).split("\r\n").filter((line) => line !== ""));
  }

  close(): void {}

  says(what: string): void {
    this.onmessage!({ data: utf8(what).buffer });
  }

  /** The server takes the page in. */
  opens(): void {
    this.says("INFO {}\r\n");
    this.says("PONG\r\n");
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Socket);
  Socket.made.length = 0;
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function connected() {
  let passes = 0;
  const entry = vi.fn();
  const answered = vi.fn();
  const pass = async () => ({ url: "wss://host/nats", jwt: "token", manifest: "m.*", control: `c.${++passes}`, telemetry: `t.${passes}` });
  const bus = new Bus({ pass, entry, answered });
  await vi.advanceTimersByTimeAsync(0);
  return { bus, entry, answered };
}

test("a report is asked to be answered where only this page listens, and the answer is told", async () => {
  const { bus, entry, answered } = await connected();
  expect(bus.wire).toBeNull();
  const [socket] = Socket.made;
  socket!.opens();
  expect(bus.wire!.publish("cid=1")).toBe(true);
  bus.wire!.publish("cid=2");
  expect(socket!.said.slice(2)).toEqual(["SUB m.* 1", "SUB c.1 2", "PUB t.1 c.1 5", "cid=1", "PUB t.1 c.1 5", "cid=2"]);
  socket!.says('MSG c.1 2 33\r\n{"stream":"TELEMETRY","seq":1234}\r\n');
  socket!.says('MSG c.1 2 10\r\n{"swap":1}\r\n');
  socket!.says("MSG m.v0 1 2\r\n{}\r\n");
  expect(answered.mock.calls).toEqual([[true]]);
  expect(entry).toHaveBeenCalledExactlyOnceWith("v0", utf8("{}"));
  bus.stop();
});

test("a connection that ends is made again with a new pass, by which reports then go", async () => {
  const { bus } = await connected();
  Socket.made[0]!.opens();
  const before = bus.wire;
  Socket.made[0]!.onclose!();
  expect(bus.wire).toBeNull();
  await vi.advanceTimersByTimeAsync(1_100);
  Socket.made[1]!.opens();
  expect(bus.wire).not.toBe(before);
  bus.wire!.publish("x");
  expect(Socket.made[1]!.said).toContain("PUB t.2 c.2 1");
  bus.stop();
  expect(bus.wire).toBeNull();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(Socket.made).toHaveLength(2);
});

test("a page that has nothing to report does not listen for answers, and none that needs no entries for entries", async () => {
  const { bus } = await connected();
  const [socket] = Socket.made;
  socket!.opens();
  bus.want(false);
  expect(socket!.said.slice(2)).toEqual(["SUB m.* 1", "UNSUB 1"]);
  bus.stop();
});
