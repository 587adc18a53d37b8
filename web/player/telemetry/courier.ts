// Brings reports to whoever collects them: one after the other over NATS where there is a connection, and by HTTP, some
// at a time, where nothing was heard by NATS for a while.
import { Kept } from "./kept.ts";
import type { Answer } from "./post.ts";

/** NATS, as far as a report needs it. */
export interface Wire {
  /** Sends a report; false where there is no connection. */
  publish(line: string): boolean;
}

export interface CourierOptions {
  /** NATS at this moment; null where there is none. */
  wire(): Wire | null;
  /** Sends lines by HTTP. */
  post(lines: readonly string[]): Promise<Answer>;
}

/** In which a report is to be answered, or is sent again. */
const answerMs = 5_000;
/** Between two requests, and for how long NATS may be silent before the first: their headers cost more than reports do. */
const postMs = 30_000;
const perPost = 6;

export class Courier {
  readonly kept = new Kept();
  private sent: { line: string; at: number; by: Wire } | null = null; // awaits its answer
  private postAt: number;
  private posting = false;
  private over = false;

  /** Begins at `now` (ms), of the clock that tick() is told. */
  constructor(
    now: number,
    private readonly o: CourierOptions,
  ) {
    this.postAt = now + postMs;
  }

  send(line: string, now: number): void {
    if (this.kept.first(1).length === 0 && this.o.wire()) this.postAt = now + postMs; // NATS owes no answer yet
    this.kept.add(line);
    this.tick(now);
  }

  /** Does what is due. */
  tick(now: number): void {
    if (this.over || this.posting) return;
    const [next] = this.kept.first(1);
    if (next === undefined) return;
    if (now >= this.postAt) return void this.post(now);
    const wire = this.o.wire();
    const { sent } = this;
    if (sent && sent.by === wire && sent.line === next && now - sent.at < answerMs) return;
    this.sent = wire?.publish(next) ? { line: next, at: now, by: wire } : null;
  }

  /** NATS answered: the report that was sent last is kept, or is not for now. */
  answered(good: boolean, now: number): void {
    const { sent } = this;
    if (!sent || !good) return; // it is sent again
    this.sent = null;
    this.kept.received([sent.line]);
    this.postAt = now + postMs;
    this.tick(now);
  }

  /** What is not known to be received, at the end. */
  end(): string[] {
    this.over = true;
    return this.kept.first();
  }

  /** Lets go of all, unsent. */
  drop(): void {
    this.over = true;
    this.kept.clear();
  }

  private async post(now: number): Promise<void> {
    this.posting = true;
    this.postAt = now + postMs;
    try {
      for (let lines = this.kept.first(perPost); lines.length > 0 && !this.over; lines = this.kept.first(perPost)) {
        const answer = await this.o.post(lines);
        if (answer === "later") return;
        if (answer === "kept") this.kept.received(lines);
        else this.kept.refused(lines);
      }
    } finally {
      this.posting = false;
    }
  }
}
