// Connections without a browser: two that were told of each other by descriptions can be opened. Tests only.
import type { Bytes } from "../../player/bytes.ts";
import type { Connect, Connection, ConnectionEvents } from "../../player/rtc/connection.ts";

/** What stands for a description: as little as passes for one. */
export function sdp(certificate: string): string {
  return `v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=fingerprint:${certificate}\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n`;
}

export class FakeConnection implements Connection {
  closed = false;
  accepted: string[] = [];
  answers: string[] = [];
  restarts = 0;
  sent: Uint8Array[] = [];
  same = true;

  constructor(
    public on: ConnectionEvents,
    private readonly refuse: boolean,
  ) {}

  async offer(): Promise<string> {
    return sdp("offerer");
  }
  async accept(offer: string): Promise<string> {
    this.accepted.push(offer);
    if (this.refuse) throw new Error("no description");
    return sdp("answerer");
  }
  async answered(answer: string): Promise<boolean> {
    this.answers.push(answer);
    return this.same;
  }
  async restart(): Promise<string> {
    this.restarts++;
    return sdp("offerer");
  }
  send(b: Bytes): boolean {
    this.sent.push(b);
    return true;
  }
  close(): void {
    this.closed = true;
  }
  stats(): never {
    throw new Error("not asked for");
  }
}

/** Makes fakes and keeps them. */
export class Fakes {
  readonly all: FakeConnection[] = [];
  /** Those that are made refuse what is offered, as a browser does nonsense. */
  refuse = false;
  readonly connect: Connect = (_, on) => {
    const c = new FakeConnection(on, this.refuse);
    this.all.push(c);
    return c;
  };

  get last(): FakeConnection {
    return this.all.at(-1)!;
  }

  get open(): number {
    return this.all.filter((c) => !c.closed).length;
  }
}

/** Lets promises that are settled go on. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
