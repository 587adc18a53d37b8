// Offers that lie with trackers, for whoever they give them to. Each costs an RTCPeerConnection, so there are few, and one that
// nobody answered is offered again.
import type { Binary, Offer } from "../tracker/messages.ts";
import { binary } from "../tracker/messages.ts";
import type { Connection, ConnectionEvents } from "./connection.ts";

/** How long after it was last announced an offer may still be answered. */
export const offerMs = 30_000;

interface Lying {
  id: Binary;
  connection: Connection;
  /** null: it came to nothing. */
  sdp: Promise<string | null>;
  announced: number;
}

export class Offers {
  private lying: Lying[] = [];

  constructor(
    private readonly connect: (on: ConnectionEvents) => Connection,
    /** Told why one could not be made. */
    private readonly failed: (e: unknown) => void,
  ) {}

  get size(): number {
    return this.lying.length;
  }

  /** Up to n offers that were not answered yet; those that are missing are made. */
  async take(n: number): Promise<Offer[]> {
    while (this.lying.length < n && this.make());
    const taken = this.lying.slice(0, n);
    const out: Offer[] = [];
    for (const l of taken) {
      const sdp = await l.sdp;
      if (sdp === null || !this.lying.includes(l)) continue;
      l.announced = performance.now();
      out.push({ id: l.id, sdp });
    }
    return out;
  }

  /** Takes out the connection of an offer that was answered; null: there is none, it was answered before or given up. */
  claim(id: Binary): Connection | null {
    const found = this.lying.find((l) => l.id === id);
    if (!found) return null;
    this.lying = this.lying.filter((l) => l !== found);
    return found.connection;
  }

  /** Closes those that nobody will answer any more. */
  look(): void {
    const before = performance.now() - offerMs;
    for (const l of this.lying) if (l.announced < before) this.drop(l);
  }

  /** Closes all: they say addresses of before. */
  clear(): void {
    for (const l of this.lying) this.drop(l);
  }

  private make(): boolean {
    let l: Lying;
    try {
      const connection = this.connect({ open: () => {}, data: () => {}, closed: () => this.drop(l) });
      const sdp = connection.offer().catch((e: unknown) => {
        this.drop(l);
        this.failed(e);
        return null;
      });
      l = { id: binary(crypto.getRandomValues(new Uint8Array(20))), connection, sdp, announced: performance.now() };
    } catch (e) {
      this.failed(e);
      return false;
    }
    this.lying.push(l);
    return true;
  }

  private drop(l: Lying): void {
    if (!this.lying.includes(l)) return;
    this.lying = this.lying.filter((o) => o !== l);
    l.connection.close();
  }
}
