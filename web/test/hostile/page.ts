// What a hostile page runs: a viewer who meets others as the player does, and lies to each of them.
import { type Bytes, hex } from "../../player/bytes.ts";
import { entryFrom } from "../../player/documents.ts";
import { envelopeFrom, peek, types } from "../../player/dsse.ts";
import { Peering } from "../../player/rtc/peering.ts";
import { everyLane } from "../../player/swarm/masks.ts";
import { Decoder } from "../../player/swarm/codec_decode.ts";
import { Encoder } from "../../player/swarm/codec_encode.ts";
import { blockLen, envelopeOf, type Head, type Message } from "../../player/swarm/messages.ts";
import { infohash } from "../../player/wire/descriptor.ts";
import { Wire } from "../../player/wire/wire.ts";

/** What forged bytes are full of. */
const mark = 0xee;

/** How the ids of forgers begin: they do not lie to each other. */
const accomplices = "0badf00d".repeat(2);

/** Each answers a genuine head that was told, with what is sent instead. */
const lies: Record<string, (h: Head) => Message[]> = {
  blocks: (h) => {
    const { r, epoch, n, size } = entryFrom(peek(envelopeOf(h), types.entry));
    return h.leaves.map((_, index) => ({ type: "Block", r, epoch, n, index, data: new Uint8Array(blockLen(size, index)).fill(mark) }));
  },
  heads: ({ payload, keyId, leaves }) => [{ type: "Head", payload, keyId, leaves, sig: new Uint8Array(64).fill(mark) }],
  leaves: ({ payload, keyId, sig, leaves }) => [{ type: "Head", payload, keyId, sig, leaves: leaves.map(() => new Uint8Array(32).fill(mark)) }],
};

interface Conn {
  wire: Wire;
  viewer: boolean;
  say(m: Message): void;
}

class Forger {
  /** Viewers that it met, and those who threw it out. */
  met = 0;
  thrownOut = 0;
  lied = 0;
  private readonly conns = new Map<number, Conn>();
  private readonly id = accomplices + hex(crypto.getRandomValues(new Uint8Array(8)));

  private readonly p: Peering;

  private constructor(
    peering: (f: Forger) => Peering,
    private readonly stream: string,
    private readonly lie: string,
  ) {
    this.p = peering(this);
  }

  /** Meets the viewers of a stream, by its id, and tells them a lie. */
  static async start(name: string, stream: string, lie: string): Promise<Forger> {
    const manifest = (await (await fetch(`/live/${name}/manifest.json`)).json()) as { genesis: unknown; trackers: string[] };
    const hash = infohash(envelopeFrom(manifest.genesis));
    const peerId = new Uint8Array(20).map(() => 33 + Math.floor(90 * Math.random()));
    const f = new Forger(
      (f) =>
        new Peering({
          ...{ infohash: hash, peerId, trackers: manifest.trackers, iceServers: [], relayOnly: false, offers: 4 },
          relay: () => undefined,
          on: {
            opened: (conn, initiator) => f.opened(conn, hash, peerId, initiator),
            data: (conn, b) => f.conns.get(conn)?.wire.receive(b),
            closed: (conn) => f.closed(conn),
            trouble: () => undefined,
            swarm: () => undefined,
          },
        }),
      stream,
      lie,
    );
    f.p.start();
    return f;
  }

  private opened(conn: number, hash: Bytes, peerId: Bytes, initiator: boolean): void {
    const encoder = new Encoder();
    const decoder = new Decoder();
    const say = (m: Message) => {
      for (const frame of encoder.encode(m)) wire.send(frame);
    };
    const wire = new Wire({
      ...{ infohash: hash, peerId, answering: !initiator },
      on: {
        bytes: (b) => void this.p.send(conn, b),
        open: () => {
          say({ type: "Hello", version: 1, stream: this.stream, id: this.id, role: "viewer", leaf: false, up: 10_000 });
          say({ type: "Credit", limit: 1 << 30 });
          if (this.lie === "too long") this.tooLong(conn);
        },
        frame: (b) => {
          const m = decoder.decode(b);
          if (m?.type === "Hello" && m.role === "viewer" && !m.id.startsWith(accomplices)) {
            this.met++;
            this.conns.get(conn)!.viewer = true;
          }
          if (m?.type === "Have") {
            const { r, epoch, n, count } = m;
            say({ type: "Subscribe", r, lanes: everyLane, urgent: true });
            say({ type: "GetHeads", r, epoch, n: n + count - 1, count: 1 });
          }
          if (m?.type === "Head") this.tell(m);
        },
        end: () => this.p.close(conn, false),
      },
    });
    this.conns.set(conn, { wire, say, viewer: false });
  }

  /** Everybody is lied to, whoever told. */
  private tell(h: Head): void {
    const said = lies[this.lie]?.(h) ?? [];
    for (const c of this.conns.values()) for (const m of said) c.say(m);
    this.lied += said.length;
  }

  /** A message longer than any that is taken, past what would cut it up. */
  private tooLong(conn: number): void {
    const p = this.p as unknown as { conns: Map<number, { connection: { channel: { channel: RTCDataChannel } } }> };
    p.conns.get(conn)!.connection.channel.channel.send(new Uint8Array(200_000).fill(mark));
    this.lied++;
  }

  private closed(conn: number): void {
    const c = this.conns.get(conn);
    this.conns.delete(conn);
    c?.wire.close();
    if (c?.viewer) this.thrownOut++;
  }
}

declare global {
  interface Window {
    Forger: typeof Forger;
    forgers: Forger[];
  }
}

window.Forger = Forger;
