// Connections to other viewers and seeds: made through trackers and through the swarm, carried as streams of bytes by number. Whom to
// connect to and what is said there is decided elsewhere.
import { type Bytes, hex } from "../bytes.ts";
import type { PeerId } from "../swarm/messages.ts";
import { Bucket } from "../tracker/bucket.ts";
import type { Binary } from "../tracker/messages.ts";
import { Tracker } from "../tracker/tracker.ts";
import { Attempts, type Link } from "./attempts.ts";
import { type Connect, connect, type ConnectionEvents, NoCandidates } from "./connection.ts";
import { wanted } from "./gathering.ts";
import { Bans, Rests } from "./memory.ts";
import { Mending } from "./mending.ts";
import { Offers } from "./offers.ts";
import { readSignal, type RtcSignal, writeSignal } from "./signals.ts";
import type { ConnectionStats } from "./stats.ts";

export interface PeeringOptions {
  infohash: Bytes;
  /** This peer's id in BitTorrent handshakes and announces. */
  peerId: Bytes;
  /** Addresses of WebTorrent trackers, ws: or wss:; others are passed over. */
  trackers: string[];
  iceServers: RTCIceServer[];
  /** No peer learns this one's address: all goes through TURN servers. */
  relayOnly: boolean;
  /** How many offers lie with trackers at a time; default 2: the rest is found through them. */
  offers?: number;
  /** With fewer connections the trackers are asked again soon; default 4. */
  fewest?: number;
  /** With so many connections none is looked for any more; default 8. */
  enough?: number;
  /** How many connections there may be, with those being made; default 48. */
  maxConns?: number;
  /** Sends a signal of at most 8 KiB to a peer, through the swarm; it may get lost. */
  relay(to: PeerId, body: Bytes): void;
  on: PeeringEvents;
  /** For tests. */
  connect?: Connect;
}

export interface PeeringEvents {
  /** initiator: the connection was this side's offer. */
  opened(conn: number, initiator: boolean): void;
  data(conn: number, bytes: Bytes): void;
  /** Once for each that was opened, but not for those that close was called for. */
  closed(conn: number, why: string): void;
  /** A sentence for people; empty: it is over. */
  trouble(kind: Trouble, sentence: string): void;
  /** How many are in the swarm as the trackers say, this peer too. */
  swarm(size: number): void;
}

export type Trouble = "tracker" | "webrtc";

export interface ConnStats extends ConnectionStats {
  conn: number;
}

const maxTrackers = 4;
/** Offers that trackers bring: what is beyond is passed over, because each costs a connection to answer. */
const offerBurst = 16;
const offersPerSecond = 4;
/** So many attempts in vain one after the other, and none that was not, are told to people. */
const vainMost = 3;
const lookMs = 5_000;

export class Peering {
  private readonly conns = new Map<number, Link>();
  private readonly attempts = new Attempts((l) => this.failed(l));
  private readonly offers: Offers;
  private readonly bans = new Bans();
  private readonly rests = new Rests();
  private readonly offered = new Bucket(offerBurst, offersPerSecond);
  private readonly me: Binary;
  private trackers: Tracker[] = [];
  private readonly sizes = new Map<string, number>();
  private readonly troubles = new Map<string, string>();
  private readonly mending = new Mending(
    (to, s) => this.signalTo(to, s),
    (l, peer) => this.replace(l, peer),
  );
  private timer: ReturnType<typeof setInterval> | undefined;
  private lastConn = 0;
  private vain = 0;
  private blocked = "";
  private running = false;

  constructor(private readonly o: PeeringOptions) {
    this.me = String.fromCharCode(...o.peerId);
    this.offers = new Offers((on) => this.connect(on), (e) => this.cannot(e));
  }

  start(): void {
    if (this.running) return;
    if (this.o.relayOnly && !wanted(this.o.iceServers, true).turn) {
      this.webrtc("Other viewers are only to be reached through a relay, and this server has none: choose another mode to share. The video comes from the server.");
      return;
    }
    this.running = true;
    const urls = new Set(this.o.trackers.filter((t) => /^wss?:/i.test(t)));
    void this.offers.take(this.wantedOffers()); // they are ready when the first tracker is reached
    this.trackers = [...urls].slice(0, maxTrackers).map((url) => this.track(url));
    this.timer = setInterval(() => this.offers.look(), lookMs);
  }

  /** Writes to a connection. False: more waits than may, and it is closed, or there is none. The bytes must not be changed before the turn is over. */
  send(conn: number, bytes: Bytes): boolean {
    return this.conns.get(conn)?.connection.send(bytes) ?? false;
  }

  /** Closes a connection; nothing more is said of it. With ban, its peer is not connected to again, by any way that it is known by. */
  close(conn: number, ban: boolean): void {
    const l = this.conns.get(conn);
    if (!l) return;
    this.conns.delete(conn);
    this.release(l);
    if (!ban) return;
    for (const id of [l.bt, l.peer]) if (id !== null) this.bans.add(id);
    for (const [c, other] of this.conns) if (this.banned(other)) this.ended(c, other, "its peer is banned");
    for (const a of this.attempts.links()) if (this.banned(a)) this.giveUp(a);
  }

  /** Says who is at the other end, as the swarm names it: so it is banned by that name too, and its connection can be mended by signals. */
  identify(conn: number, peer: PeerId): void {
    const l = this.conns.get(conn);
    if (!l) return;
    l.peer = peer;
    if (this.banned(l)) this.ended(conn, l, "its peer is banned");
  }

  /** Connects to a peer by signals through the swarm, if it is not known to be in vain or too much. Reports whether that began. */
  dial(peer: PeerId): boolean {
    if (!this.running || this.full() || this.bans.has(peer) || this.rests.resting(peer)) return false;
    if (this.attempts.outwardTo(peer) || this.open().some((l) => l.peer === peer)) return false;
    const id = hex(crypto.getRandomValues(new Uint8Array(16)));
    if (!this.attempts.room(id, peer, null)) return false;
    const l = this.begin({ id, peer, bt: null, outward: true, wanted: true });
    if (l) this.describe(l, l.connection.offer(), (sdp) => this.signalTo(peer, { type: "offer", id, sdp }));
    return l !== null;
  }

  /** Takes in a signal that came through the swarm; one that is of no use is passed over. */
  signal(from: PeerId, body: Bytes): void {
    if (!this.running || this.bans.has(from)) return;
    let s: RtcSignal;
    try {
      s = readSignal(body);
    } catch {
      return;
    }
    const open = this.open().find((l) => l.id === s.id && l.peer === from);
    if (open) this.mending.take(open, from, s);
    else if (s.type === "answer") this.answered(this.attempts.get(s.id), (l) => l.peer === from, s.sdp);
    else this.take(from, s);
  }

  /** The network is another: trackers are asked anew, and connections with peers that can be signalled are mended. The rest show whether they last. */
  networkChanged(): void {
    if (!this.running) return;
    this.rests.clear();
    this.offers.clear();
    for (const t of this.trackers) t.wake();
    for (const l of this.conns.values()) if (l.peer !== null) this.mending.restart(l, l.peer);
  }

  /** For what is connected from now on: credentials of TURN servers do not last. */
  setIceServers(servers: RTCIceServer[]): void {
    this.o.iceServers = servers;
  }

  stats(): Promise<ConnStats[]> {
    return Promise.all([...this.conns].map(async ([conn, l]) => ({ conn, ...(await l.connection.stats()) })));
  }

  /** Meets nobody from now on: trackers are told, and no peer learns an address any more. What is connected stays until leave(). */
  withdraw(): void {
    this.running = false;
    clearInterval(this.timer);
    for (const t of this.trackers) t.leave();
    this.trackers = [];
    this.offers.clear();
    for (const l of this.attempts.links()) this.giveUp(l);
  }

  /** Leaves the swarm: all connections are closed, and nothing more is said of them. */
  leave(): void {
    this.withdraw();
    for (const l of this.open()) this.release(l);
    this.conns.clear();
  }

  private open(): Link[] {
    return [...this.conns.values()];
  }

  private full(): boolean {
    return this.conns.size + this.attempts.size >= (this.o.maxConns ?? 48);
  }

  private banned(l: Link): boolean {
    return this.bans.has(l.bt) || this.bans.has(l.peer);
  }

  // Trackers.

  private track(url: string): Tracker {
    return new Tracker({
      url,
      infohash: this.o.infohash,
      peerId: this.o.peerId,
      on: {
        offers: () => this.offers.take(this.wantedOffers()),
        offer: (peer, id, sdp, answer) => this.offeredBy(peer, id, sdp, answer),
        answer: (peer, id, sdp) => this.answeredBy(peer, id, sdp),
        swarm: (size) => {
          this.sizes.set(url, size);
          this.o.on.swarm(Math.max(...this.sizes.values()));
        },
        trouble: (sentence) => this.trackerTrouble(url, sentence),
        few: () => this.conns.size < this.fewest() && !this.alone(),
      },
    });
  }

  /** Fewer connections than that are too few to rely on. */
  private fewest(): number {
    return Math.min(this.o.fewest ?? 4, this.o.enough ?? 8);
  }

  /** Reports whether all trackers say that nobody else is there: then an offer would only lie around. */
  private alone(): boolean {
    return this.sizes.size > 0 && [...this.sizes.values()].every((n) => n <= 1);
  }

  private wantedOffers(): number {
    if (this.alone()) return 0;
    const room = Math.min((this.o.enough ?? 8) - this.conns.size, (this.o.maxConns ?? 48) - this.conns.size - this.attempts.size);
    return Math.max(0, Math.min(this.o.offers ?? 2, room));
  }

  private offeredBy(bt: Binary, offerId: Binary, sdp: string, answer: (sdp: string) => void): void {
    const id = attemptId(offerId);
    if (!this.running || bt === this.me || this.bans.has(bt) || this.full() || this.open().some((l) => l.bt === bt)) return;
    if (!this.attempts.room(id, null, bt) || !this.offered.take()) return;
    const l = this.begin({ id, peer: null, bt, outward: false, wanted: false });
    if (l) this.describe(l, l.connection.accept(sdp), answer);
  }

  private answeredBy(bt: Binary, offerId: Binary, sdp: string): void {
    if (!this.running || bt === this.me || this.bans.has(bt) || this.full() || !this.attempts.room(attemptId(offerId), null, bt)) return;
    const connection = this.offers.claim(offerId);
    if (!connection) return; // what nobody asked, or a second answer
    const l: Link = { id: attemptId(offerId), connection, peer: null, bt, outward: true, wanted: false };
    connection.on = this.eventsOf(() => l);
    this.attempts.add(l);
    this.answered(l, () => true, sdp);
  }

  private trackerTrouble(url: string, sentence: string): void {
    // As long as one tracker serves, nobody needs to know of others.
    this.troubles.set(url, sentence);
    const all = [...this.troubles.values()];
    this.o.on.trouble("tracker", all.length < this.trackers.length || all.some((s) => s === "") ? "" : sentence);
  }

  // Signals.

  private signalTo(peer: PeerId, s: RtcSignal): void {
    const body = writeSignal(s);
    if (body) this.o.relay(peer, body);
  }

  /** Answers an offer, unless this side's own goes on. */
  private take(from: PeerId, s: RtcSignal): void {
    const mine = this.attempts.outwardTo(from);
    if (mine && mine.id > s.id) return;
    if (mine) this.giveUp(mine);
    if (this.full() || !this.attempts.room(s.id, from, null)) return;
    const l = this.begin({ id: s.id, peer: from, bt: null, outward: false, wanted: mine !== undefined });
    if (l) this.describe(l, l.connection.accept(s.sdp), (sdp) => this.signalTo(from, { type: "answer", id: s.id, sdp }));
  }

  /** Connects anew to a peer that does not know how to mend a connection. */
  private replace(l: Link, peer: PeerId): void {
    for (const [conn, other] of this.conns) if (other === l) this.ended(conn, l, "the network is another");
    this.dial(peer);
  }

  // Connections.

  private connect(on: ConnectionEvents) {
    return (this.o.connect ?? connect)({ iceServers: this.o.iceServers, relayOnly: this.o.relayOnly }, on);
  }

  private begin(b: Omit<Link, "connection">): Link | null {
    try {
      const l: Link = { ...b, connection: this.connect(this.eventsOf(() => l)) };
      this.attempts.add(l);
      return l;
    } catch (e) {
      this.cannot(e);
      return null;
    }
  }

  private eventsOf(link: () => Link): ConnectionEvents {
    let conn = 0;
    return {
      open: () => {
        const l = link();
        if (conn !== 0 || !this.attempts.remove(l)) return;
        conn = ++this.lastConn;
        this.conns.set(conn, l);
        this.vain = 0;
        this.webrtc("");
        if (l.wanted) this.rests.note(l.peer!, true);
        this.o.on.opened(conn, l.outward);
      },
      data: (b) => this.conns.has(conn) && this.o.on.data(conn, b),
      closed: (why) => {
        const l = link();
        if (this.conns.has(conn)) this.ended(conn, l, why);
        else this.failed(l);
      },
    };
  }

  /** Sends this side's description once it is there. */
  private describe(l: Link, description: Promise<string>, say: (sdp: string) => void): void {
    description.then(
      (sdp) => this.attempts.has(l) && say(sdp),
      (e: unknown) => {
        this.cannot(e);
        this.failed(l);
      },
    );
  }

  private answered(l: Link | undefined, from: (l: Link) => boolean, sdp: string): void {
    if (!l?.outward || !from(l)) return;
    l.connection.answered(sdp).catch(() => this.failed(l));
  }

  /** An attempt came to nothing. */
  private failed(l: Link): void {
    if (!this.giveUp(l)) return;
    if (l.wanted && l.peer !== null) this.rests.note(l.peer, false);
    if (++this.vain >= vainMost && this.conns.size === 0) this.webrtc("No other viewer can be reached from this network, which may not let WebRTC through. The video comes from the server.");
  }

  /** Takes an attempt back, which says nothing of its peer. */
  private giveUp(l: Link): boolean {
    if (!this.attempts.remove(l)) return false;
    l.connection.close();
    return true;
  }

  private ended(conn: number, l: Link, why: string): void {
    this.conns.delete(conn);
    this.release(l);
    this.o.on.closed(conn, why);
  }

  private release(l: Link): void {
    this.mending.forget(l);
    l.connection.close();
  }

  /** Tells people why no connection can be made; a description that the browser refuses is its sender's fault. */
  private cannot(e: unknown): void {
    if (e instanceof NoCandidates) this.webrtc("This browser tells no address at which other viewers could reach it: an extension or a policy may forbid it. The video comes from the server.");
    else if (typeof RTCPeerConnection === "undefined" && !this.o.connect) this.webrtc("This browser has no WebRTC, or it is turned off: other viewers cannot be reached. The video comes from the server.");
  }

  private webrtc(sentence: string): void {
    if (sentence === this.blocked) return;
    this.blocked = sentence;
    this.o.on.trouble("webrtc", sentence);
  }
}

/** A connection that a tracker brought about is named by the first 16 bytes of its offer's id. */
function attemptId(offer: Binary): string {
  return hex(Uint8Array.from(offer, (c) => c.charCodeAt(0))).slice(0, 32);
}
