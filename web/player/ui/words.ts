// How the swarm is put into words and figures. English, plain, and no more precise than
// what people can use.
import type { Counts, Limit, Mode, PeerView, View } from "../view.ts";

/** The sources in the order in which they are always drawn, from the most wanted down. */
export const sources = ["peer", "seed", "edge", "origin"] as const;
export const sourceNames: Record<keyof Counts, string> = { peer: "Viewers", seed: "Seeds", edge: "Edges", origin: "Origin" };

/** As toLocaleString("en") writes it, which takes 20 ms to get ready. */
export function thousands(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function bytes(n: number): string {
  if (n < 1e3) return `${Math.round(n)} B`;
  if (n < 1e6) return `${Math.round(n / 1e3)} kB`;
  if (n < 1e9) return `${(n / 1e6).toFixed(n < 1e7 ? 1 : 0)} MB`;
  return `${(n / 1e9).toFixed(1)} GB`;
}

export function rate(bits: number): string {
  if (bits < 1e3) return "0";
  if (bits < 1e6) return `${Math.round(bits / 1e3)} kbit/s`;
  return `${(bits / 1e6).toFixed(bits < 1e7 ? 1 : 0)} Mbit/s`;
}

export function quality(v: { width: number; height: number; bitrate: number }): string {
  const parts: string[] = [];
  if (v.width > 0) parts.push(`${v.width} × ${v.height}`);
  if (v.bitrate > 0) parts.push(rate(v.bitrate));
  return parts.join(" · ");
}

/** What can be chosen of the renditions, each with its name; the empty one leaves it to the player. */
export function qualityChoices(v: Pick<View, "qualities" | "quality" | "height">): [rendition: string, name: string][] {
  const auto = v.quality === null && v.height > 0 ? `Auto (${v.height}p)` : "Auto";
  return [["", auto], ...v.qualities.map((q): [string, string] => [q.rendition, q.height > 0 ? `${q.height}p` : rate(q.bitrate)])];
}

/** What came in the last minute, by source, and what was given in it. */
export function lastMinute(v: View): Counts & { up: number; all: number } {
  const sum = { peer: 0, seed: 0, edge: 0, origin: 0, up: 0, all: 0 };
  for (const s of v.swarm.minute) {
    for (const source of sources) sum[source] += s[source];
    sum.up += s.up;
  }
  sum.all = sum.peer + sum.seed + sum.edge + sum.origin;
  return sum;
}

/** Parts of a whole in percent that add up to 100; what is there at all is never said to be 0. */
export function percents(counts: Counts): Counts {
  const all = sources.reduce((sum, s) => sum + counts[s], 0);
  const out = { peer: 0, seed: 0, edge: 0, origin: 0 };
  if (all === 0) return out;
  for (const s of sources) out[s] = counts[s] === 0 ? 0 : Math.max(1, Math.round((100 * counts[s]) / all));
  const largest = sources.reduce((a, b) => (out[b] > out[a] ? b : a));
  out[largest] += 100 - sources.reduce((sum, s) => sum + out[s], 0);
  return out;
}

/** One sentence that sums the panel up. */
export function summary(v: View): string {
  const m = lastMinute(v);
  if (m.all === 0) return "Nothing has come yet.";
  return `${came(v, percents(m).peer)}${gave(v)}.`;
}

function came(v: View, percent: number): string {
  const viewers = v.swarm.peers.filter((p) => p.role === "viewer").length;
  const all = "All of the last minute came from";
  if (percent > 0) {
    const from = viewers === 0 ? "other viewers" : viewers === 1 ? "one other viewer" : `${viewers} other viewers`;
    return percent === 100 ? `${all} ${from}` : `${percent} % of the last minute came from ${from}`;
  }
  return `${all} this stream’s own servers`;
}

function gave(v: View): string {
  if (v.swarm.uploaded > 0) return `; you gave ${bytes(v.swarm.uploaded)}`;
  if (v.mode === "share") return "; you have given nothing yet";
  return "; you give nothing";
}

/** Why things are as they are, where that needs saying; empty else. */
export function remark(v: View): string {
  const limit = limits[v.limit];
  if (limit) return limit;
  if (v.swarm.state === "trouble") return v.swarm.detail || "Other viewers cannot be reached just now; the servers fill in.";
  if (v.swarm.state === "joining") return "Looking for other viewers. Until they are found, the servers fill in.";
  if (v.most === "edge") return "This stream comes from its own servers only; viewers never learn of each other.";
  return "";
}

const limits: Record<Limit, string> = {
  "": "",
  sensitive: "This stream is marked as sensitive: it comes from its own servers only, and no other viewer learns that you watch.",
  metered: "Sharing rests: this connection is metered, or your browser is set to save data.",
  battery: "Sharing rests: this tab is hidden, and the machine runs on its battery.",
  unsupported: "This browser has no WebRTC, so all comes from the stream’s own servers.",
};

/** What a mode is called here, and what it means. */
export function modeWords(mode: Mode, relay: boolean): { name: string; short: string; means: string } {
  switch (mode) {
    case "share":
      return { name: "Share", short: "take and give", means: "You take from other viewers and give to them. They see your IP address." };
    case "download":
      return { name: "Only take", short: "give nothing", means: "You take from other viewers and give nothing. They see your IP address." };
    case "edge":
      return relay
        ? { name: "Relay only", short: "stay unseen", means: "Other viewers are reached through a relay, and never see your IP address. You give nothing." }
        : { name: "Servers only", short: "stay unseen", means: "All comes from this stream’s own servers. No viewer sees your IP address." };
  }
}

/** What telling the operator how it plays is called, and what it means. */
export const tellingWords = {
  name: "Send playback statistics",
  means: "Whoever runs this server learns how well it plays here and where its bytes come from. No address and no name are sent, and each visit has a new number.",
  forbidden: "Your browser asks sites to leave you alone (Global Privacy Control), so nothing is sent.",
};

export const caps: [number, string][] = [
  [0, "no cap"],
  [5e6, "5 Mbit/s"],
  [2e6, "2 Mbit/s"],
  [1e6, "1 Mbit/s"],
];

/** The label of a peer in the picture. */
export function peerWords(name: string, p: PeerView): string {
  const parts = [name];
  if (p.rttMs !== null) parts.push(`${Math.round(p.rttMs)} ms`);
  parts.push(`↓ ${rate(p.down)}`, `↑ ${rate(p.up)}`);
  if (p.relayed) parts.push("by relay");
  return parts.join(" · ");
}

/** Names peers as they come, so that the picture, its labels and the table mean the same one. */
export class Names {
  private readonly known = new Map<string, string>();
  private readonly count = { viewer: 0, seed: 0, edge: 0 };

  of(p: PeerView): string {
    let name = this.known.get(p.id);
    if (!name) this.known.set(p.id, (name = `${p.role} ${++this.count[p.role]}`));
    return name;
  }

  /** Forgets who left. */
  keep(peers: PeerView[]): void {
    const here = new Set(peers.map((p) => p.id));
    for (const id of this.known.keys()) if (!here.has(id)) this.known.delete(id);
  }
}
