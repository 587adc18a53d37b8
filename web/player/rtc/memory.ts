// What is remembered of peers, within bounds: who is not to be talked to, and who was tried in vain.

/** The oldest is forgotten first. */
const maxBans = 4_096;
const maxRests = 1_024;
const firstRestMs = 10_000;
const mostRestMs = 10 * 60_000;

/** Peers that are not talked to again for as long as the page is there. */
export class Bans {
  private readonly ids = new Set<string>();

  add(id: string): void {
    this.ids.add(id);
    if (this.ids.size > maxBans) this.ids.delete(this.ids.values().next().value!);
  }

  has(id: string | null): boolean {
    return id !== null && this.ids.has(id);
  }
}

/** Peers that were tried in vain and are left alone for a while, as native peers do (swarm/bt/reach.go): what keeps two peers apart seldom goes away, and hints of each other go on. */
export class Rests {
  private readonly rests = new Map<string, { ms: number; until: number }>();

  resting(peer: string): boolean {
    return performance.now() < (this.rests.get(peer)?.until ?? 0);
  }

  /** Each attempt in vain doubles the rest. */
  note(peer: string, reached: boolean): void {
    const before = this.rests.get(peer);
    this.rests.delete(peer);
    if (reached) return;
    const ms = Math.min(Math.max(2 * (before?.ms ?? 0), firstRestMs), mostRestMs);
    this.rests.set(peer, { ms, until: performance.now() + ms });
    if (this.rests.size > maxRests) this.rests.delete(this.rests.keys().next().value!);
  }

  clear(): void {
    this.rests.clear();
  }
}
