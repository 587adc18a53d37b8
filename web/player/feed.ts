// Where the newest entries come from when nobody else brings them: asked of the origin, which holds the question until
// there is an answer. Whoever brings entries on time (the swarm, NATS, pieces with their entry) keeps it silent.
import { type Position, timescale } from "./documents.ts";
import type { Listing } from "./listing.ts";
import { HttpError, type Manifest, type Origin } from "./origin.ts";

export interface FeedEvents {
  /** A manifest that the origin answered with: to be verified and listed. */
  manifest(m: Manifest): Promise<void>;
  /** The origin says that the stream ended, or does not answer as it should. */
  trouble(): void;
}

/** Beyond the time that a piece takes: how long the next entry may be overdue before the origin is asked, in ms. */
const overdueMs = 300;
const usualMs = 500; // a piece at most, where none is known
const retryMs = 300;
const mostRetryMs = 3_000;
const holeMs = 1_500; // how long what is missing may be

export class Feed {
  private readonly stopped = new AbortController();
  private heardAt = performance.now();
  private holeSince = 0;
  private wake: () => void = () => undefined;

  constructor(
    private readonly origin: Origin,
    private readonly r: string,
    private readonly listing: Listing,
    private readonly on: FeedEvents,
  ) {
    void this.run();
  }

  stop(): void {
    this.stopped.abort();
    this.wake();
  }

  /** Takes note that somebody brought an entry that made the list longer. */
  heard(): void {
    this.heardAt = performance.now();
    if (!this.listing.hole()) this.holeSince = 0;
  }

  /** Takes note of an entry that came before those that it follows. */
  early(): void {
    this.holeSince ||= performance.now();
    this.wake();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopped;
    let retry = retryMs;
    while (!signal.aborted) {
      const wait = this.dueIn();
      if (wait > 0) {
        await this.rest(wait);
        continue;
      }
      try {
        await this.ask(signal);
        retry = retryMs;
      } catch (err) {
        if (signal.aborted) return;
        if (err instanceof HttpError && err.status === 404) this.listing.fallBehind();
        this.on.trouble();
        await this.rest(retry);
        retry = Math.min(2 * retry, mostRetryMs);
      }
    }
  }

  /** How long it is until the origin is to be asked, in ms. */
  private dueIn(): number {
    if (this.holeSince > 0) return 0;
    const { newest } = this.listing;
    const piece = newest ? (newest.dur / timescale) * 1_000 : 0;
    return this.heardAt + Math.max(piece, newest ? 0 : usualMs) + overdueMs - performance.now();
  }

  private async ask(signal: AbortSignal): Promise<void> {
    const { r, listing } = this;
    const hole = listing.hole();
    if (hole) this.holeSince ||= performance.now();
    if (hole && performance.now() - this.holeSince > holeMs) {
      listing.jump();
      this.holeSince = 0;
      if (listing.hole()) await this.rest(retryMs); // until a segment begins
      return;
    }
    const after: Position | undefined = hole ? undefined : listing.newest;
    const asked = performance.now();
    const query = hole ? { r, epoch: hole.epoch, from: Math.max(hole.from, hole.to - 199), to: hole.to } : after && { r, after };
    const m = await this.origin.manifest(query, signal);
    await this.on.manifest(m);
    if (hole) {
      if (listing.hole()) await this.rest(100);
      else this.holeSince = 0;
      return;
    }
    if (!m.live) {
      this.on.trouble();
      await this.rest(usualMs);
    }
    if (listing.newest === after) await this.rest(Math.max(0, 100 - (performance.now() - asked)));
  }

  private rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), ms);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = () => undefined;
        resolve();
      };
      if (this.stopped.signal.aborted) this.wake();
    });
  }
}
