// One stream while it is watched: which entries it has, the playlists that follow from them, and the verified media
// that they name. It knows no player: hls.js and others are given what they ask for.
import type { Book } from "./book.ts";
import { entryFrom, type Entry, order, type Position } from "./documents.ts";
import { peek, types } from "./dsse.ts";
import { Feed } from "./feed.ts";
import { Listing } from "./listing.ts";
import type { Manifest, Origin } from "./origin.ts";
import { type Lists, multivariant } from "./playlists.ts";
import type { Source, Verified, Wanted } from "./source.ts";
import type { SignedEntry } from "./trust.ts";

export interface SessionEvents {
  /** The origin does not answer as it should; the stream may have ended. */
  trouble(): void;
  /** What cannot go on: a fork, false proofs. */
  failed(err: unknown): void;
}

export class Session implements Lists {
  /** The newest entry when it began. */
  readonly joinedAt: Entry | undefined;
  /** The player takes no media for now, so none is to be fetched ahead of it. */
  idle = false;
  private readonly listings = new Map<string, Listing>();
  private feed: Feed | null = null;
  private followed = "";

  constructor(
    private readonly origin: Origin,
    private readonly source: Source,
    private readonly manifest: Manifest,
    private readonly on: SessionEvents,
  ) {
    this.joinedAt = source.newest()?.entry;
    for (const [r, { entries }] of manifest.renditions) {
      // Not verified yet, but listed: whatever they lead to will be.
      const listing = new Listing();
      const known = entries.flatMap((e) => {
        try {
          return [entryFrom(peek(e, types.entry))];
        } catch {
          return [];
        }
      });
      for (const entry of known.filter((e) => e.r === r).sort(order)) listing.add(entry);
      this.listings.set(r, listing);
    }
    source.learned = (signed) => this.learned(signed);
    if (this.joinedAt) {
      this.fetchBurst(this.joinedAt);
      this.follow(this.joinedAt.r);
    }
  }

  close(): void {
    this.feed?.stop();
    this.source.learned = () => undefined;
  }

  multivariant(): string {
    return multivariant(this.manifest.renditions);
  }

  listing(r: string): Listing | undefined {
    return this.listings.get(r);
  }

  book(r: string): Book {
    return this.source.book(r);
  }

  /** Verified media. */
  get(url: string, what: Wanted, signal: AbortSignal): Promise<Verified> {
    return this.source.get(url, what, signal);
  }

  /** Says which rendition is played: its newest entries are to be known at once. */
  follow(r: string): void {
    const listing = this.listings.get(r);
    if (r === this.followed || !listing) return;
    this.followed = r;
    this.feed?.stop();
    this.feed = new Feed(this.origin, r, listing, {
      manifest: async (m) => {
        try {
          await this.source.learn(m);
        } catch (err) {
          this.on.failed(err);
        }
        listing.ended = !m.live;
      },
      trouble: () => this.on.trouble(),
    });
  }

  pieceUrl(r: string, at: Position): string {
    return this.origin.url(`${r}/${at.epoch}/${at.n}.m4s`);
  }

  private learned({ entry }: SignedEntry): void {
    const listing = this.listings.get(entry.r);
    if (!listing) return;
    const longer = listing.add(entry);
    if (entry.r !== this.followed) return;
    if (!longer) {
      if (listing.hole()) this.feed?.early();
      return;
    }
    this.feed?.heard();
    const newest = listing.newest!;
    if (!this.idle) this.lead(newest);
  }

  /** The origin holds a request for the next piece until it is there: asked for now, it comes without another round trip. */
  private lead(newest: Entry): void {
    this.source.prefetch(this.pieceUrl(newest.r, { epoch: newest.epoch, n: newest.n + 1 }));
  }

  /** What a joiner needs first, asked for at once: the newest segment's init and pieces. */
  private fetchBurst(newest: Entry): void {
    const book = this.source.book(newest.r);
    const init = book.initOf(newest.msn);
    if (init) this.source.prefetch(this.origin.url(`${newest.r}/init/${init}.mp4`));
    let first = newest.n - newest.part;
    for (let n = newest.n; n >= 0; n--) {
      const entry = book.at({ epoch: newest.epoch, n })?.entry;
      if (entry?.part === 0 && entry.key) {
        first = n;
        break;
      }
      if (!entry) break;
    }
    for (let n = first; n <= newest.n; n++) {
      const entry = book.at({ epoch: newest.epoch, n })?.entry;
      if (entry && !entry.gap) this.source.prefetch(this.pieceUrl(entry.r, entry));
    }
    this.lead(newest);
  }
}
