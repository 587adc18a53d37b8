// Against the wire of WebTorrent, as it is published.
import Stock from "bittorrent-protocol";
import { afterEach, expect, test } from "vitest";
import { type Bytes, hex } from "../../player/bytes.ts";
import { infohash, peerId, Watched } from "./rig.ts";

/** sh_live as an extension of the stock wire. */
class Extension {
  static wires = new Map<unknown, Bytes[]>();
  speaks = false;
  constructor(private readonly wire: unknown) {}
  onExtendedHandshake(): void {
    this.speaks = true;
  }
  onMessage(b: Bytes): void {
    const got = Extension.wires.get(this.wire) ?? [];
    Extension.wires.set(this.wire, [...got, b.slice()]);
  }
}
Object.defineProperty(Extension.prototype, "name", { value: "sh_live" });

const open: { close(): void }[] = [];
afterEach(() => {
  for (const o of open.splice(0)) o.close();
});

/** A stock wire joined to one of ours, where one side gets all in parts of so many bytes. */
function join(part: number) {
  const ours = new Watched("page");
  const stock = new Stock("webrtc");
  stock.use(Extension);
  ours.to = (b) => {
    for (let at = 0; at < b.length; at += part) stock.write(b.slice(at, at + part));
  };
  stock.on("data", (b: Uint8Array) => {
    for (let at = 0; at < b.length; at += part) ours.wire.receive(b.slice(at, at + part));
  });
  open.push({ close: () => (ours.wire.close(), stock.destroy()) });
  return { ours, stock };
}

async function until(what: string, good: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (good()) return;
    await new Promise((r) => setImmediate(r));
  }
  throw new Error(`not ${what}`);
}

test.each([1, 7, 1_000, 100_000])("a stock client and a page greet and exchange frames, in parts of %i bytes", async (part) => {
  const { ours, stock } = join(part);
  let met = "";
  stock.on("handshake", (hash: string, id: string) => {
    met = `${hash} ${id}`;
    stock.handshake(infohash, peerId("stock"));
    stock.bitfield(new Uint8Array([0x80]));
    stock.unchoke();
    stock.interested();
  });
  await until("open", () => ours.opened !== null && Boolean((stock as unknown as { sh_live: Extension }).sh_live.speaks));
  expect(met).toBe(`${hex(infohash)} ${hex(peerId("page"))}`);
  expect(ours.opened!.peerId).toEqual(peerId("stock"));
  const frames = [new Uint8Array([1]), new Uint8Array(part === 1 ? 300 : 16_400).fill(7), new Uint8Array([2, 3])];
  for (const f of frames) ours.wire.send(f);
  for (const f of frames) stock.extended("sh_live", f);
  stock.keepAlive();
  stock.request(0, 0, 16_384);
  await until("all there", () => ours.frames.length === 3 && Extension.wires.get(stock)?.length === 3);
  expect(ours.frames.map(hex)).toEqual(frames.map(hex));
  expect(Extension.wires.get(stock)!.map(hex)).toEqual(frames.map(hex));
  expect(ours.ended).toBeNull();
});
