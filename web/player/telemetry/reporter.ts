// Reports of one visit: what a player says of itself is read when a report is due, and sent.
import { Accumulator, type Reading, type Visit } from "./accumulator.ts";
import type { Arrival } from "./arrivals.ts";
import { Courier, type CourierOptions } from "./courier.ts";
import { lineOf, type PlayState } from "./report.ts";
import { Schedule } from "./schedule.ts";

export interface ReporterOptions extends CourierOptions {
  visit: Visit;
  /** What the player says of itself now, `now` in ms of a monotonic clock. */
  read(now: number): Reading;
  /** Sends what there is while the page goes away. */
  postLast(lines: readonly string[]): void;
}

export class Reporter {
  private readonly accumulator: Accumulator;
  private readonly schedule: Schedule;
  private readonly courier: Courier;
  private over = false;

  constructor(
    now: number,
    private readonly o: ReporterOptions,
  ) {
    const first = o.read(now);
    this.accumulator = new Accumulator(o.visit, first);
    this.schedule = new Schedule(now, first.state);
    this.courier = new Courier(now, o);
  }

  /** How many reports had to be let go of unsent. */
  get dropped(): number {
    return this.courier.kept.dropped;
  }

  /** Does what is due; to be called some times a second, or as often as a hidden tab may. */
  tick(now: number, state: PlayState): void {
    if (this.over) return;
    const event = this.schedule.due(now, state);
    if (event) this.courier.send(lineOf(this.accumulator.report(this.o.read(now), event)), now);
    else this.courier.tick(now);
  }

  arrived(a: Arrival): void {
    this.accumulator.arrived(a);
  }

  /** NATS answered a report. */
  answered(good: boolean, now: number): void {
    if (!this.over) this.courier.answered(good, now);
  }

  /** The visit ends: a last report says so, and goes with all that was not received. */
  end(now: number): void {
    if (this.over) return;
    this.over = true;
    const last = lineOf(this.accumulator.report({ ...this.o.read(now), state: "q" }, "ps"));
    this.o.postLast([...this.courier.end(), last]);
  }

  /** Nothing more is to be told, nor what was not sent yet. */
  silence(): void {
    this.over = true;
    this.courier.drop();
  }
}

const letters = "abcdefghijklmnopqrstuvwxyz234567";

/** The id of one visit: chance, and kept nowhere. */
export function newSession(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(26)), (byte) => letters[byte & 31]).join("");
}
