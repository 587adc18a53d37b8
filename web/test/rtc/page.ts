// What the test's pages run: Peering with a wire on each connection.
import type { Bytes } from "../../player/bytes.ts";
import { Peering } from "../../player/rtc/peering.ts";
import { Wire } from "../../player/wire/wire.ts";

export interface Setup {
  id: string; // of this peer in the swarm, 32 hexadecimal digits
  trackers?: string[];
  relayOnly?: boolean;
  iceServers?: RTCIceServer[];
}

/** Frames of a block's size. */
const size = 16_400;
/** So many frames may be on their way, as the swarm's credit would have it. */
const window_ = 64;

interface Conn {
  wire: Wire;
  initiator: boolean;
  open: boolean;
  sent: number;
  acked: number;
  got: number;
  wrong: number;
}

class Page {
  readonly conns = new Map<number, Conn>();
  readonly closed: { why: string; at: number }[] = [];
  readonly troubles: string[] = [];
  opened = 0;
  swarm = 0;
  began = performance.now();
  private goal = 0;

  private constructor(readonly peering: Peering) {}

  static start(s: Setup): Page {
    const page: Page = new Page(
      new Peering({
        infohash: new Uint8Array(20).fill(7),
        peerId: new TextEncoder().encode(`-SH0100-${s.id}`.slice(0, 20)) as Bytes,
        trackers: s.trackers ?? [],
        iceServers: s.iceServers ?? [],
        relayOnly: s.relayOnly ?? false,
        relay: (to, body) => void window.relay?.(to, new TextDecoder().decode(body)),
        on: {
          opened: (conn, initiator) => page.open(conn, initiator, s.id),
          data: (conn, b) => page.conns.get(conn)!.wire.receive(b),
          closed: (conn, why) => {
            page.closed.push({ why, at: Date.now() });
            page.conns.get(conn)?.wire.close();
            page.conns.delete(conn);
          },
          trouble: (kind, sentence) => page.troubles.push(`${kind}: ${sentence}`),
          swarm: (n) => (page.swarm = n),
        },
      }),
    );
    page.peering.start();
    window.addEventListener("pagehide", () => page.peering.leave());
    return page;
  }

  signal(from: string, body: string): void {
    this.peering.signal(from, new TextEncoder().encode(body) as Bytes);
  }

  /** Sends so many frames on the first connection, no faster than they are taken. */
  send(frames: number): void {
    this.goal += frames;
    for (const c of this.conns.values()) this.push(c);
  }

  get first(): Conn | undefined {
    return [...this.conns.values()][0];
  }

  private open(conn: number, initiator: boolean, id: string): void {
    this.opened++;
    const c: Conn = {
      initiator,
      open: false,
      sent: 0,
      acked: 0,
      got: 0,
      wrong: 0,
      wire: new Wire({
        infohash: new Uint8Array(20).fill(7),
        peerId: new TextEncoder().encode(`-SH0100-${id}`.slice(0, 20)) as Bytes,
        answering: !initiator,
        on: {
          bytes: (b) => void this.peering.send(conn, b),
          open: () => (c.open = true),
          frame: (f) => this.take(c, f),
          end: () => this.peering.close(conn, false),
        },
      }),
    };
    this.conns.set(conn, c);
  }

  private take(c: Conn, f: Bytes): void {
    if (f.length === 1) {
      c.acked += 16;
      this.push(c);
      return;
    }
    const mark = c.got++ & 0xff;
    if (f.length !== size || f[0] !== mark || f[size - 1] !== mark || f[8_000] !== mark) c.wrong++;
    if (c.got % 16 === 0) c.wire.send(new Uint8Array(1));
  }

  private push(c: Conn): void {
    for (; c.sent < this.goal && c.sent - c.acked < window_; c.sent++) c.wire.send(new Uint8Array(size).fill(c.sent & 0xff));
  }
}

declare global {
  interface Window {
    Page: typeof Page;
    page: Page;
    relay?: (to: string, body: string) => Promise<void>;
  }
}

window.Page = Page;
