// What the engine needs of the BitTorrent wire (web/player/wire): that connections speak it is all it knows.
import type { Bytes } from "../bytes.ts";

/** One end of a connection: bytes of a channel come in and go out, frames of sh_live come out and go in. */
export interface Wire {
  /** Takes in bytes of the channel, in order. */
  receive(b: Bytes): void;
  /** Writes one frame of at most 65,000 bytes; what is written in one turn may go out together at its end. */
  send(frame: Bytes): void;
  /** Writes what waits, and ends it from this side: after that nothing is reported. */
  close(): void;
}

export interface WireOptions {
  /** Of the torrent that both ends must be in, 20 bytes. */
  infohash: Bytes;
  /** This end's BitTorrent id, 20 bytes. */
  peerId: Bytes;
  /** The other end offered the channel: it is the one to greet first. */
  answering?: boolean;
  on: {
    /** Bytes to write to the channel. */
    bytes(b: Bytes): void;
    /** Both ends speak sh_live; `port` is where the other one listens for BitTorrent, null where nowhere. */
    open(theirPeerId: Bytes, port: number | null): void;
    /** A frame came. The bytes are the receiver's. */
    frame(b: Bytes): void;
    /** The other end speaks nonsense, or something else, or left. */
    end(why: string): void;
  };
}

export type MakeWire = (o: WireOptions) => Wire;
