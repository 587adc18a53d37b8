// One RTCPeerConnection with one data channel: the only file that makes one.
import type { Bytes } from "../bytes.ts";
import { Channel } from "./channel.ts";
import { candidates, sameConnection } from "./descriptions.ts";
import { gathered, wanted } from "./gathering.ts";
import { type ConnectionStats, readStats } from "./stats.ts";

export interface ConnectionEvents {
  open(): void;
  data(b: Bytes): void;
  /** Once, and not after close. */
  closed(why: string): void;
}

/** What Peering needs of a connection. */
export interface Connection {
  on: ConnectionEvents;
  /** Describes this side, with its candidates: it is the one that begins. */
  offer(): Promise<string>;
  /** Takes the other's offer and describes this side. An offer for an open connection mends it (ICE restart, RFC 8445 section 9). */
  accept(offer: string): Promise<string>;
  /** Takes the other's answer. False: it is that of another connection, as one answers who does not know restarts. */
  answered(answer: string): Promise<boolean>;
  /** Offers an open connection anew: its addresses may have changed. */
  restart(): Promise<string>;
  /** False: more waits than may; it is closed, and `closed` says so. */
  send(b: Uint8Array): boolean;
  close(): void;
  stats(): Promise<ConnectionStats>;
}

export interface ConnectionOptions {
  iceServers: RTCIceServer[];
  relayOnly: boolean;
}

/** Makes a connection; it throws where the browser has none to give. */
export type Connect = (o: ConnectionOptions, on: ConnectionEvents) => Connection;

export const connect: Connect = (o, on) => new BrowserConnection(o, on);

/** The label of the channel, as native peers call theirs. */
const label = "shoal";
/** How long a connection may be without contact: it often comes back, within what playback bears. */
const lostMs = 5_000;
/** The same after a restart, which has to go back and forth. */
const mendMs = 10_000;

/** No candidate may be told, or none is there. */
export class NoCandidates extends Error {
  override name = "NoCandidates";
}

class BrowserConnection implements Connection {
  private readonly pc: RTCPeerConnection;
  private readonly policy: ReturnType<typeof wanted>;
  private channel: Channel | null = null;
  private lost: ReturnType<typeof setTimeout> | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private over = false;

  constructor(
    o: ConnectionOptions,
    public on: ConnectionEvents,
  ) {
    this.policy = wanted(o.iceServers, o.relayOnly);
    this.pc = new RTCPeerConnection({ iceServers: o.iceServers, iceTransportPolicy: o.relayOnly ? "relay" : "all" });
    this.pc.onconnectionstatechange = () => this.look();
    this.pc.ondatachannel = (e) => {
      if (this.channel) e.channel.close();
      else this.carry(e.channel);
    };
  }

  offer(): Promise<string> {
    return this.inTurn(async () => {
      this.carry(this.pc.createDataChannel(label));
      return this.describe(await this.pc.createOffer());
    });
  }

  accept(offer: string): Promise<string> {
    return this.inTurn(async () => {
      await this.pc.setRemoteDescription({ type: "offer", sdp: offer });
      return this.describe(await this.pc.createAnswer());
    });
  }

  answered(answer: string): Promise<boolean> {
    return this.inTurn(async () => {
      const before = this.pc.currentRemoteDescription?.sdp;
      if (before && !sameConnection(before, answer)) return false;
      await this.pc.setRemoteDescription({ type: "answer", sdp: answer });
      return true;
    });
  }

  restart(): Promise<string> {
    if (this.lost) this.wait(mendMs);
    return this.inTurn(async () => this.describe(await this.pc.createOffer({ iceRestart: true })));
  }

  send(b: Uint8Array): boolean {
    return this.channel?.send(b) ?? false;
  }

  close(): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.lost);
    this.channel?.close();
    this.pc.onconnectionstatechange = this.pc.ondatachannel = null;
    this.pc.close();
  }

  stats(): Promise<ConnectionStats> {
    return readStats(this.pc);
  }

  /**
   * Descriptions are made and taken one after the other, candidates included: an offer that begins while an answer waits for its
   * candidates would be what is read in the answer's place, and Chromium negotiates no more on a connection that was sent that.
   */
  private inTurn<T>(f: () => Promise<T>): Promise<T> {
    const done = this.turn.then(f);
    this.turn = done.catch(() => {});
    return done;
  }

  /** Sets this side's description, and returns it once its candidates are known. */
  private async describe(d: RTCSessionDescriptionInit): Promise<string> {
    const enough = gathered(this.pc, this.policy);
    await this.pc.setLocalDescription(d);
    await enough;
    const sdp = this.pc.localDescription?.sdp ?? "";
    if (candidates(sdp) === 0) throw new NoCandidates("no address to be reached at was found");
    return sdp;
  }

  private carry(channel: RTCDataChannel): void {
    this.channel = new Channel(channel, {
      open: () => this.on.open(),
      data: (b) => this.on.data(b),
      closed: (why) => this.end(why),
    });
  }

  private look(): void {
    switch (this.pc.connectionState) {
      case "failed":
      case "closed":
        this.end("the peer cannot be reached");
        break;
      case "disconnected":
        this.wait(lostMs);
        break;
      case "connected":
        clearTimeout(this.lost);
        this.lost = undefined;
    }
  }

  private wait(ms: number): void {
    clearTimeout(this.lost);
    this.lost = setTimeout(() => this.end("contact was lost"), ms);
  }

  private end(why: string): void {
    if (this.over) return;
    this.close();
    this.on.closed(why);
  }
}
