// The engine's figures, once a second.
import type { Conn } from "../swarm/effects.ts";
import type { Node } from "../swarm/node.ts";
import { millisecond } from "../swarm/time.ts";
import { bySource, type Link } from "./loop.ts";
import type { Figures } from "./protocol.ts";

export class Measures {
  pieces = 0;
  heads = 0;
  private at: number | null = null;
  private before = new Map<Conn, { down: number; up: number }>();
  private readonly swaps = new Swaps();

  /** The figures at a moment (ms), with rates since the last time. */
  take(at: number, node: Node, links: ReadonlyMap<Conn, Link>): Figures {
    const passed = Math.max(at - (this.at ?? at - 1000), 1) / 1000;
    const rate = (now: number, before: number | undefined) => Math.round((8 * (now - (before ?? 0))) / passed);
    const carried = new Map<Conn, { down: number; up: number }>();
    const peers = node.peers().map(({ conn, id, role, rtt, granted, given, missed }) => {
      const { down, up } = links.get(conn) ?? { down: 0, up: 0 };
      const before = this.before.get(conn);
      carried.set(conn, { down, up });
      const rttMs = rtt === 0 ? null : Math.round(rtt / millisecond);
      return { conn, id, role, rttMs, granted, given, missed, down: rate(down, before?.down), up: rate(up, before?.up) };
    });
    [this.at, this.before] = [at, carried];
    const { received, duplicate, unasked, rejected, sent, parents, children } = node.stats();
    return { peers, bytes: bySource(received), duplicate, unasked, rejected, sent, pieces: this.pieces, heads: this.heads, window: node.held(), parents, children, swaps: this.swaps.look(peers) };
  }
}

/** Counts parents that others took the place of, from looks at who is one. */
export class Swaps {
  private count = 0;
  private parents: Conn[] = [];

  /** The count up to now. */
  look(peers: readonly { conn: Conn; granted: number }[]): number {
    const parents = peers.flatMap((p) => (p.granted > 0 ? [p.conn] : []));
    const left = this.parents.filter((c) => !parents.includes(c)).length;
    const joined = parents.filter((c) => !this.parents.includes(c)).length;
    this.count += Math.min(left, joined);
    this.parents = parents;
    return this.count;
  }
}
