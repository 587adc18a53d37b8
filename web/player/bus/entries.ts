// A stream's entries by NATS, over WebSocket: the soonest way to them while the swarm warms up. They are not believed
// here. Whoever has no pass, or cannot reach the bus, plays without.
import type { NatsConnection, Subscription } from "@nats-io/nats-core";
import type { Bytes } from "../bytes.ts";
import type { Pass } from "./pass.ts";

export interface EntriesOptions {
  /** Asks for a pass; it is asked anew when one has run out. */
  pass(signal: AbortSignal): Promise<Pass>;
  /** An entry's DSSE JSON, and the rendition that its subject names. */
  entry(r: string, envelope: Bytes): void;
  /** Whether entries come by NATS now. */
  state(on: boolean): void;
}

const firstRetryMs = 1_000;
const mostRetryMs = 60_000;
const connectMs = 5_000;

export class Entries {
  private readonly stopped = new AbortController();
  private nats: NatsConnection | null = null;
  private subscription: Subscription | null = null;
  private subject = "";
  private wanted = true;

  constructor(private readonly options: EntriesOptions) {
    void this.run();
  }

  /** Says whether entries are wanted: while others bring them, they need not come here too. */
  want(yes: boolean): void {
    if (this.wanted === yes) return;
    this.wanted = yes;
    if (!this.nats) return;
    if (yes) this.subscribe(this.nats);
    else this.subscription?.unsubscribe();
  }

  stop(): void {
    this.stopped.abort();
    void this.nats?.close().catch(() => undefined);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopped;
    let retry = firstRetryMs;
    while (!signal.aborted) {
      try {
        await this.connect(signal);
        retry = firstRetryMs;
        await this.nats!.closed();
      } catch {
        // There is the origin to ask.
      }
      this.nats = null;
      this.options.state(false);
      await rest(retry, signal);
      retry = Math.min(2 * retry, mostRetryMs);
    }
  }

  private async connect(signal: AbortSignal): Promise<void> {
    const pass = await this.options.pass(signal);
    const { jwtAuthenticator, wsconnect } = await import("@nats-io/nats-core");
    if (signal.aborted) return;
    const key = pass.seed === null ? undefined : new TextEncoder().encode(pass.seed);
    this.nats = await wsconnect({
      servers: pass.url,
      authenticator: jwtAuthenticator(pass.jwt, key),
      reconnect: false, // a pass runs out: the next connection is with another
      timeout: connectMs,
      noEcho: true,
    });
    if (signal.aborted) return void (await this.nats.close());
    this.subject = pass.manifest;
    if (this.wanted) this.subscribe(this.nats);
    this.options.state(true);
  }

  private subscribe(nats: NatsConnection): void {
    this.subscription = nats.subscribe(this.subject, {
      callback: (err, m) => {
        if (!err) this.options.entry(m.subject.slice(m.subject.lastIndexOf(".") + 1), m.data as Bytes);
      },
    });
  }
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
