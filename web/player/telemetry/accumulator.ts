// Makes reports of what changed between two readings of a player.
import type { Allowed } from "../consent.ts";
import type { Counts, Second } from "../meter.ts";
import type { Moment } from "../moment.ts";
import type { Stats } from "../stats.ts";
import type { PeerView } from "../view.ts";
import { type Arrival, Arrivals } from "./arrivals.ts";
import { maxNeighbours, type Neighbour, type PlayState, type Report } from "./report.ts";
import type { Watching } from "./watched.ts";

/** What a player says of itself at one moment. Counts are since it began. */
export interface Reading {
  now: number; // ms of a monotonic clock
  time: number; // Unix ms by the server's clock; 0: not known
  state: PlayState;
  stats: Stats;
  moment: Pick<Moment, "bitrate" | "firstFrameMs">;
  watching: Watching;
  peers: readonly PeerView[];
  minute: readonly Second[]; // of bytes, oldest first
  allowed: Pick<Allowed, "mode" | "up">;
  swaps: number; // parents that were exchanged
  dropped: number; // pictures, of this publish
  top: number; // bit/s of the best rendition; 0 where there is one only
  rendition: string;
  hidden: boolean;
}

/** What is the same in all reports of a visit. */
export interface Visit {
  stream: string;
  session: string;
  class: string;
}

/**
 * Neighbours are told in every third report, and in those of a change of state: they change slowly, and take a fifth of
 * a report.
 */
const neighboursEvery = 3;

export class Accumulator {
  private readonly arrivals = new Arrivals();
  private n = 0;
  private last: Reading;
  private dropped = 0;
  private missed = new Map<string, number>(); // by neighbour, when they were told last
  private started: boolean; // the first picture was told of

  /** What came before the first reading is nobody's. */
  constructor(
    private readonly visit: Visit,
    first: Reading,
  ) {
    this.last = first;
    this.started = first.moment.firstFrameMs !== null;
  }

  /** A piece came. */
  arrived(a: Arrival): void {
    this.arrivals.add(a);
  }

  /** What there is to report since the report before. */
  report(r: Reading, event: Report["event"]): Report {
    const { last, n } = this;
    const { stats, watching } = r;
    this.last = r;
    this.n++;
    const interval = r.now - last.now;
    const came = this.arrivals.take();
    const since = (of: (s: Stats) => number) => of(stats) - of(last.stats);
    const dry = watching.dry - last.watching.dry;
    const start = this.started ? null : r.moment.firstFrameMs;
    this.started ||= start !== null;
    this.dropped += r.dropped - (r.dropped < last.dropped ? 0 : last.dropped); // each publish counts from 0
    return {
      ...{ ...this.visit, n, at: r.time, event, state: r.state, reporter: "page", interval },
      ...{ format: "h", type: "ll", bitrate: kbits(r.moment.bitrate), top: kbits(r.top), measured: measured(r.minute, interval) },
      ...{ buffer: stats.buffer_ms, delay: stats.delay_now_ms, start: start ?? 0, dropped: this.dropped, hidden: r.hidden },
      ...{ starved: dry > 0, dryMs: dry, stalls: watching.stalls - last.watching.stalls },
      ...{ played: watching.played - last.watching.played, wanted: watching.wanted - last.watching.wanted },
      ...{ slack: came.slack, leastSlack: came.leastSlack, late: came.late, verified: came.pieces },
      ...{ signed50: came.signed50, signed95: came.signed95, here50: came.here50, here95: came.here95 },
      ...{ peerBytes: since((s) => s.bytes.peer), seedBytes: since((s) => s.bytes.seed), edgeBytes: since((s) => s.bytes.edge), originBytes: since((s) => s.bytes.origin) },
      ...{ duplicate: since((s) => s.bytes_duplicate), rejected: since((s) => s.pieces_rejected), falseBlocks: since((s) => s.blocks_rejected) },
      ...{ given: since((s) => s.upload), uplink: kbits(r.allowed.up), peers: stats.peers, swaps: r.swaps - last.swaps },
      ...{ consent: r.allowed.mode, rendition: r.rendition },
      neighbours: event === "ps" || n % neighboursEvery === 0 ? this.neighbours(r.peers) : [],
    };
  }

  /** Those that give most now, with what they missed since neighbours were told last. */
  private neighbours(peers: readonly PeerView[]): Neighbour[] {
    const before = this.missed;
    this.missed = new Map(peers.map(({ id, missed }) => [id, missed]));
    return [...peers]
      .sort((a, b) => b.down - a.down)
      .slice(0, maxNeighbours)
      .map(({ id, role, rttMs, down, missed }) => ({ id, kind: role === "viewer" ? "peer" : role, rtt: rttMs ?? 0, goodput: kbits(down), late: missed - (before.get(id) ?? 0) }));
  }
}

/** bit/s as kbit/s; what has no bound is 0. */
function kbits(bits: number): number {
  return Number.isFinite(bits) ? Math.round(bits / 1000) : 0;
}

/** The most that came in one of the interval's seconds, kbit/s. */
function measured(minute: readonly Second[], interval: number): number {
  const all = (c: Counts) => c.peer + c.seed + c.edge + c.origin;
  return kbits(8 * Math.max(0, ...minute.slice(-Math.max(1, Math.round(interval / 1000))).map(all)));
}
