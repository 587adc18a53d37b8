// When the origin is asked how a stream stands while it plays, and how much of it is asked for. Pure: moments come in, in
// ms of a monotonic clock.

const quietMs = 1_500; // without a new entry for this long, ask
const againMs = 400; // between two questions
const policyMs = 60_000; // between looks at whether the stream became a sensitive one
const renewMs = 3_600_000; // between looks at where peers meet: a relay's credentials last six hours
const offersMs = 1_000; // until the first look at which renditions there are; then twice as long each time, up to mostMs
const mostMs = 60_000;
const sleptMs = 5_000; // between questions for the time after a sleep

export class Lookout {
  private whole = false; // something is wrong: all of the manifest is wanted
  private asked = 0;
  private policyAt: number;
  private renewedAt: number;
  private offersAt: number;
  private pause = offersMs;

  constructor(now: number) {
    this.policyAt = this.renewedAt = now;
    this.offersAt = now + offersMs;
  }

  /** Something is wrong, so that the manifest is to be asked for. */
  trouble(): void {
    this.whole = true;
  }

  /** Reports whether to ask what the operator allows; it is taken as asked. */
  policyDue(now: number): boolean {
    if (now <= this.policyAt + policyMs) return false;
    this.policyAt = now;
    return true;
  }

  /** Reports whether to ask which renditions there are: soon after the start, when they may still be coming, then seldom. */
  offersDue(now: number): boolean {
    if (now <= this.offersAt) return false;
    this.pause = Math.min(2 * this.pause, mostMs);
    this.offersAt = now + this.pause;
    return true;
  }

  /** Reports whether entries come from so far in the future (ms) that the machine must have slept and its clock stood still. */
  slept(now: number, ageMs: number): boolean {
    if (ageMs >= -2_000 || now - this.asked <= sleptMs) return false;
    this.asked = now;
    return true;
  }

  /**
   * What to ask for now: all of the manifest, its newest entry alone, where it is only quiet and the network may be slow, or
   * nothing. `ageMs` is the age of the newest entry.
   */
  due(now: number, ageMs: number): "whole" | "newest" | null {
    this.whole ||= now > this.renewedAt + renewMs;
    if (!(this.whole || ageMs > quietMs) || now - this.asked < againMs) return null;
    this.asked = now;
    const whole = this.whole;
    this.whole = false;
    return whole ? "whole" : "newest";
  }

  /** All of the manifest is here. */
  renewed(now: number): void {
    this.renewedAt = now;
  }
}
