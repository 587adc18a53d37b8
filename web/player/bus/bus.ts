// A page's connection to NATS while its stream plays: entries come by it, the soonest way to them while the swarm warms
// up, and reports go by it. Entries are not believed here. Whoever has no pass, or cannot reach the bus, plays without.
import { type Bytes, utf8 } from "../bytes.ts";
import { sleep } from "../sleep.ts";
import type { Wire } from "../telemetry/courier.ts";
import { answerFrom } from "./answer.ts";
import { Connection } from "./connection.ts";
import type { Pass } from "./pass.ts";

export interface BusOptions {
  /** Asks for a pass; it is asked anew when one has run out. */
  pass(signal: AbortSignal): Promise<Pass>;
  /** An entry's DSSE JSON, and the rendition that its subject names. */
  entry(r: string, envelope: Bytes): void;
  /** The report that was sent last is on the bus, or is not. */
  answered(good: boolean): void;
}

const firstRetryMs = 1_000;
const mostRetryMs = 60_000;
const longMs = 30_000; // a connection that stood for so long was no failure

export class Bus {
  /** Where reports go; null while there is no connection. */
  wire: Wire | null = null;
  private readonly stopped = new AbortController();
  private connection: Connection | null = null;
  private subject = "";
  private sid: number | null = null;
  private wanted = true;

  constructor(private readonly o: BusOptions) {
    void this.run();
  }

  /** Says whether entries are wanted: while others bring them, they need not come here too. */
  want(yes: boolean): void {
    this.wanted = yes;
    this.look();
  }

  stop(): void {
    this.stopped.abort();
    this.connection?.close();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopped;
    let retry = firstRetryMs;
    while (!signal.aborted) {
      const began = performance.now();
      try {
        await this.connect(await this.o.pass(signal));
      } catch {
        // There is the origin to ask.
      }
      if (performance.now() - began > longMs) retry = firstRetryMs;
      await sleep(retry, signal);
      retry = Math.min(2 * retry, mostRetryMs);
    }
  }

  /** Returns when the connection has ended. */
  private connect(pass: Pass): Promise<void> {
    return new Promise((resolve) => {
      if (this.stopped.signal.aborted) return resolve();
      const made = new Connection(pass.url, pass.jwt, {
        open: () => this.opened(made, pass),
        message: (subject, data) => {
          if (subject === pass.control) this.heard(data);
          else this.o.entry(subject.slice(subject.lastIndexOf(".") + 1), data);
        },
        closed: () => {
          this.connection = this.sid = this.wire = null;
          resolve();
        },
      });
    });
  }

  private opened(made: Connection, pass: Pass): void {
    this.connection = made;
    this.subject = pass.manifest;
    this.look();
    let heard = false; // answers: they are asked for with the first report
    this.wire = {
      publish: (line) => {
        if (!heard) made.subscribe(pass.control);
        heard = true;
        made.publish(pass.telemetry, pass.control, utf8(line));
        return true;
      },
    };
  }

  /** What comes to this page alone: answers to its reports, and what later versions send. */
  private heard(data: Bytes): void {
    const good = answerFrom(data);
    if (good !== null) this.o.answered(good);
  }

  /** Subscribes or unsubscribes, as is wanted. */
  private look(): void {
    const { connection } = this;
    if (!connection) return;
    if (this.wanted && this.sid === null) this.sid = connection.subscribe(this.subject);
    else if (!this.wanted && this.sid !== null) {
      connection.unsubscribe(this.sid);
      this.sid = null;
    }
  }
}
