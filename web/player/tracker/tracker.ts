// One WebTorrent tracker, announced to over a WebSocket for as long as the swarm is joined. It is believed nothing but addresses to try:
// what it says costs little, and a connection proves itself.
import type { Bytes } from "../bytes.ts";
import { Bucket } from "./bucket.ts";
import { type Binary, type Offer, read, writeAnnounce, writeAnswer } from "./messages.ts";

export interface TrackerEvents {
  /** The offers for an announce, as many as are wanted now; soon. */
  offers(): Promise<Offer[]>;
  /** Somebody offers a connection; answer sends what this side says to it. */
  offer(peer: Binary, id: Binary, sdp: string, answer: (sdp: string) => void): void;
  /** Somebody answers an offer of ours, as far as the tracker can be believed. */
  answer(peer: Binary, id: Binary, sdp: string): void;
  /** How many the tracker knows in the swarm, this peer too. */
  swarm(size: number): void;
  /** A sentence for people; empty: it is over. */
  trouble(sentence: string): void;
  /** Reports whether more connections are needed than there are. */
  few(): boolean;
}

export interface TrackerOptions {
  url: string;
  infohash: Bytes;
  peerId: Bytes;
  on: TrackerEvents;
}

const usualMs = 120_000;
const leastMs = 15_000;
const mostMs = 30 * 60_000;
const connectMs = 10_000;
const answerMs = 15_000;
/** Between attempts to connect: doubling, and drawn by chance, so that all who lost a tracker do not come back at once. */
const firstRetryMs = 1_000;
const mostRetryMs = 60_000;
/** Timers that are so late mean that the machine slept or the page was frozen: the socket is not to be trusted. Hidden pages' are a minute late. */
const gapMs = 90_000;
const lookMs = 1_000;
/** In characters; a description has 8 KiB at most. */
const maxMessage = 64 << 10;
/** Messages beyond what an honest tracker has to say are not read; who sends so many more is left for a while. */
const usualBurst = 64;
const usualPerSecond = 20;
const maxUnread = 1_000;

export class Tracker {
  private socket: WebSocket | null = null;
  private readonly timer = setInterval(() => this.look(), lookMs);
  private looked = Date.now();
  private over = false;
  private told = false;
  private reached = false;

  // Times of performance.now(), Infinity: not waited for.
  private connectAt = Infinity;
  private announceAt = Infinity;
  private giveUpAt = Infinity;

  private retryMs = firstRetryMs;
  private intervalMs = usualMs;
  private earlyMs = leastMs;
  private messages = new Bucket(usualBurst, usualPerSecond);
  private unread = 0;

  constructor(private readonly o: TrackerOptions) {
    this.connect();
  }

  /** The network is another, or people are back: nothing is waited for. */
  wake(): void {
    if (this.over) return;
    this.retryMs = firstRetryMs;
    this.earlyMs = leastMs;
    this.drop();
    this.connect();
  }

  /** Says that this peer leaves, if it can be said at once. */
  leave(): void {
    if (this.over) return;
    this.over = true;
    clearInterval(this.timer);
    if (this.told) this.say(writeAnnounce(this.o.infohash, this.o.peerId, "stopped", []));
    this.drop();
  }

  private connect(): void {
    this.connectAt = Infinity;
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.o.url);
    } catch {
      this.failed("its address is none that a page may connect to");
      return;
    }
    this.socket = socket;
    this.giveUpAt = performance.now() + connectMs;
    socket.onopen = () => {
      this.giveUpAt = Infinity;
      this.told = false;
      this.unread = 0;
      this.messages = new Bucket(usualBurst, usualPerSecond);
      void this.announce();
    };
    socket.onmessage = (e: MessageEvent<unknown>) => this.receive(e.data);
    socket.onclose = () => this.failed(this.reached ? "" : "it cannot be reached, or it turns this page away");
  }

  private async announce(): Promise<void> {
    this.announceAt = Infinity;
    const socket = this.socket;
    const offers = await this.o.on.offers();
    if (this.socket !== socket || this.over) return;
    this.giveUpAt = performance.now() + answerMs;
    if (this.say(writeAnnounce(this.o.infohash, this.o.peerId, this.told ? "" : "started", offers))) this.told = true;
  }

  private receive(data: unknown): void {
    if (typeof data !== "string" || data.length > maxMessage) {
      this.failed("it sends what no tracker has to say");
      return;
    }
    if (!this.messages.take()) {
      if (++this.unread > maxUnread) this.failed("it sends far more than a tracker has to say");
      return;
    }
    let said;
    try {
      said = read(data, this.o.infohash, this.o.peerId);
    } catch {
      return; // of the next one it may be able to say more
    }
    switch (said.type) {
      case "announced":
        this.announced(said.intervalMs, said.swarm);
        break;
      case "failure":
        this.announced(null, null, `it refuses: ${said.reason}`);
        break;
      case "offer": {
        const { peer, id } = said;
        this.o.on.offer(peer, id, said.sdp, (sdp) => this.say(writeAnswer(this.o.infohash, this.o.peerId, peer, id, sdp)));
        break;
      }
      case "answer":
        this.o.on.answer(said.peer, said.id, said.sdp);
    }
  }

  private announced(intervalMs: number | null, swarm: number | null, refused = ""): void {
    if (this.giveUpAt === Infinity) return; // nothing was asked
    this.giveUpAt = Infinity;
    if (!refused) {
      this.reached = true;
      this.retryMs = firstRetryMs;
    }
    this.o.on.trouble(refused && this.sentence(refused));
    this.intervalMs = Math.min(Math.max(intervalMs ?? usualMs, leastMs), mostMs);
    // Who has few connections asks sooner, and less and less so while that is of no help.
    const early = this.o.on.few() && !refused;
    const wait = early ? Math.min(this.earlyMs, this.intervalMs) : this.intervalMs;
    this.earlyMs = early ? Math.min(2 * this.earlyMs, mostMs) : leastMs;
    this.announceAt = performance.now() + wait;
    if (swarm !== null) this.o.on.swarm(swarm);
  }

  /** Every second: what is due. */
  private look(): void {
    // The wall clock goes on while the machine sleeps; that it can be set costs a connection at most.
    const gap = Math.abs(Date.now() - this.looked);
    this.looked = Date.now();
    const now = performance.now();
    if (gap > gapMs) this.wake();
    else if (now >= this.giveUpAt) this.failed("it does not answer");
    else if (now >= this.connectAt) this.connect();
    else if (now >= this.announceAt) void this.announce();
  }

  private failed(why: string): void {
    this.drop();
    if (this.over) return;
    // A tracker that was there and went away is said to be in trouble when it is not there again either.
    this.reached = false;
    if (why) this.o.on.trouble(this.sentence(why));
    this.connectAt = performance.now() + this.retryMs * (0.5 + Math.random());
    this.retryMs = Math.min(2 * this.retryMs, mostRetryMs);
  }

  private sentence(why: string): string {
    return `The tracker ${host(this.o.url)}, where viewers of this stream meet, is no help: ${why}. It is asked again by and by; the video comes from the server meanwhile.`;
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.announceAt = this.giveUpAt = Infinity;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private say(text: string): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(text);
    return true;
  }
}

function host(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url.slice(0, 80);
  }
}
