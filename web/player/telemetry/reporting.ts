// A player's reports, from its start to its stop, as far as they are permitted: to be looked at some times a second.
import { type Reading, type Visit } from "./accumulator.ts";
import type { Wire } from "./courier.ts";
import { type Doing, playState } from "./playstate.ts";
import { post, postLast } from "./post.ts";
import { newSession, Reporter } from "./reporter.ts";
import { type Look, Watched } from "./watched.ts";

export interface ReportingOptions {
  /** Where reports go over HTTP. */
  url: string;
  /** NATS at this moment; null where there is none. */
  wire(): Wire | null;
  /** All that the player says of itself, but for what is known here. */
  read(): Omit<Reading, "now" | "state" | "watching">;
}

/** The player at a moment. */
export type Moment = Look & Omit<Doing, "stalled">;

export class Reporting {
  readonly watched = new Watched();
  private reporter: Reporter | null = null;
  private at: Moment | null = null;

  constructor(private readonly o: ReportingOptions) {}

  /** A visit is under way. */
  get begun(): boolean {
    return this.reporter !== null;
  }

  /** Looks at the player. `of` is what its reports are of, null while nothing may be told. */
  look(at: Moment, of: Omit<Visit, "session"> | null): void {
    this.at = at;
    this.watched.look(at);
    if (!of) {
      this.reporter?.silence();
      this.reporter = null;
      return;
    }
    this.reporter ??= new Reporter(at.now, {
      ...this.o,
      visit: { ...of, session: newSession() },
      read: (now) => this.read(now),
      post: (lines) => post(this.o.url, lines),
      postLast: (lines) => postLast(this.o.url, lines),
    });
    this.reporter.tick(at.now, this.state());
  }

  /** A piece came; see Arrival. */
  arrived(signedMs: number, hereMs: number, slackMs: number | null): void {
    this.reporter?.arrived({ signedMs, hereMs, slackMs: slackMs === null ? null : slackMs - this.watched.held });
  }

  /** NATS answered the report that was sent last. */
  answered(good: boolean, now: number): void {
    this.reporter?.answered(good, now);
  }

  /** Ends the visit. */
  end(now: number): void {
    this.reporter?.end(now);
    this.reporter = null;
  }

  private state() {
    const { watched, at } = this;
    return playState({ ...at!, stalled: watched.stalled });
  }

  private read(now: number): Reading {
    return { ...this.o.read(), now, state: this.state(), watching: { ...this.watched.sums } };
  }
}
