// Verified pieces that the swarm brought and the player has yet to take, or may ask for again: the newest few.
import type { Bytes } from "./bytes.ts";

/** Pieces; players take each within seconds. */
const maxPieces = 48;

export class Shelf {
  private readonly pieces = new Map<string, Bytes>();
  private bytes = 0;

  /** Holds at most maxBytes, and the newest piece however large it is. */
  constructor(private readonly maxBytes = Number.POSITIVE_INFINITY) {}

  put(place: string, piece: Bytes): void {
    this.take(place);
    this.pieces.set(place, piece);
    this.bytes += piece.length;
    for (const oldest of this.pieces.keys()) {
      if (oldest === place || (this.pieces.size <= maxPieces && this.bytes <= this.maxBytes)) return;
      this.take(oldest);
    }
  }

  get(place: string): Bytes | undefined {
    return this.pieces.get(place);
  }

  private take(place: string): void {
    this.bytes -= this.pieces.get(place)?.length ?? 0;
    this.pieces.delete(place);
  }
}
