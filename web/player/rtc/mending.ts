// Mends open connections after a change of network: an ICE restart, offered and answered by signals through the swarm.
import type { PeerId } from "../swarm/messages.ts";
import type { Link } from "./attempts.ts";
import type { RtcSignal } from "./signals.ts";

/** How long an offer of this kind is waited for. */
const waitMs = 10_000;

export class Mending {
  /** Offered by this side and not answered, since when. */
  private readonly offered = new Map<Link, number>();

  constructor(
    private readonly signal: (to: PeerId, s: RtcSignal) => void,
    /** The peer does not know how to mend a connection. */
    private readonly replace: (l: Link, peer: PeerId) => void,
  ) {}

  restart(l: Link, peer: PeerId): void {
    this.offered.set(l, performance.now());
    l.connection.restart().then(
      (sdp) => this.waits(l) && this.signal(peer, { type: "offer", id: l.id, sdp }),
      () => this.offered.delete(l),
    );
  }

  /** Takes in a signal about an open connection. Of two offers at once the one of who made the connection goes on. */
  take(l: Link, peer: PeerId, s: RtcSignal): void {
    if (s.type === "offer") {
      if (this.waits(l) && l.outward) return;
      this.offered.delete(l);
      l.connection.accept(s.sdp).then(
        (sdp) => this.signal(peer, { type: "answer", id: l.id, sdp }),
        () => {}, // it shows whether the connection lasts
      );
    } else if (this.offered.delete(l)) {
      l.connection.answered(s.sdp).then(
        (same) => !same && this.replace(l, peer),
        () => {},
      );
    }
  }

  forget(l: Link): void {
    this.offered.delete(l);
  }

  private waits(l: Link): boolean {
    const since = this.offered.get(l);
    return since !== undefined && performance.now() - since < waitMs;
  }
}
