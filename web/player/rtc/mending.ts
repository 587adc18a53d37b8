// Mends open connections after a change of network: an ICE restart, offered and answered by signals through the swarm.
import type { PeerId } from "../swarm/messages.ts";
import type { Link } from "./attempts.ts";
import type { RtcSignal } from "./signals.ts";

/** How long an offer of this kind is waited for. */
const waitMs = 10_000;

export class Mending {
  /** Offered by this side and not answered, since when. */
  private readonly offered = new Map<Link, number>();
  /** Whose network changed once more before that: an answer fits one offer only, so there is one at a time. */
  private readonly again = new Set<Link>();
  private readonly accepting = new Set<Link>();

  constructor(
    private readonly signal: (to: PeerId, s: RtcSignal) => void,
    /** The peer does not know how to mend a connection. */
    private readonly replace: (l: Link, peer: PeerId) => void,
  ) {}

  restart(l: Link, peer: PeerId): void {
    if (this.waits(l)) {
      this.again.add(l);
      return;
    }
    const now = performance.now();
    this.offered.set(l, now);
    const current = () => this.offered.get(l) === now; // else the other's offer goes on
    l.connection.restart().then(
      (sdp) => current() && this.signal(peer, { type: "offer", id: l.id, sdp }),
      () => current() && this.offered.delete(l),
    );
  }

  /** Takes in a signal about an open connection. Of two offers at once the one of who made the connection goes on. */
  take(l: Link, peer: PeerId, s: RtcSignal): void {
    if (s.type === "offer") this.accept(l, peer, s.sdp);
    else if (this.offered.delete(l)) this.answered(l, peer, s.sdp);
  }

  forget(l: Link): void {
    for (const of of [this.offered, this.again, this.accepting]) of.delete(l);
  }

  /** An offer before the answer to the last one is nothing that a peer sends who keeps to one at a time. */
  private accept(l: Link, peer: PeerId, sdp: string): void {
    if ((this.waits(l) && l.outward) || this.accepting.has(l)) return;
    this.offered.delete(l);
    this.again.delete(l); // the answer tells the addresses of now
    this.accepting.add(l);
    l.connection
      .accept(sdp)
      .then(
        (sdp) => this.signal(peer, { type: "answer", id: l.id, sdp }),
        () => {}, // it shows whether the connection lasts
      )
      .finally(() => this.accepting.delete(l));
  }

  private answered(l: Link, peer: PeerId, sdp: string): void {
    l.connection.answered(sdp).then(
      (same) => {
        if (!same) this.replace(l, peer);
        else if (this.again.delete(l)) this.restart(l, peer);
      },
      () => {},
    );
  }

  private waits(l: Link): boolean {
    const since = this.offered.get(l);
    return since !== undefined && performance.now() - since < waitMs;
  }
}
