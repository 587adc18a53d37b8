// Why a visit stalled, as far as its reports say.
import type { Answer } from "./api.ts";
import { count, list, rowsOf, seconds, text } from "./table.ts";
import { clock, duration, rate, share } from "./words.ts";

export interface Neighbour {
  id: string;
  kind: string;
  rttMs: number;
  kbps: number;
  late: number;
}

/** One report of a visit, as far as it is shown. */
export interface Report {
  /** Unix seconds. */
  at: number;
  state: string;
  /** It was sent because the state had changed, so that its time is that of the change. */
  turned: boolean;
  intervalMs: number;
  dryMs: number;
  stalls: number;
  startMs: number;
  bufferMs: number;
  delayMs: number;
  bitrateKbps: number;
  measuredKbps: number;
  hidden: boolean;
  peers: number;
  swaps: number;
  late: number;
  rejected: number;
  falseBlocks: number;
  peer: number;
  seed: number;
  edge: number;
  origin: number;
  neighbours: Neighbour[];
}

export function reportsOf(a: Answer): Report[] {
  return rowsOf(a).map((r) => ({
    at: seconds(r["at"]),
    state: text(r["state"]),
    turned: r["event"] === "ps",
    intervalMs: count(r["interval_ms"]),
    dryMs: count(r["dry_ms"]),
    stalls: count(r["stalls"]),
    startMs: count(r["start_ms"]),
    bufferMs: count(r["buffer_ms"]),
    delayMs: count(r["delay_ms"]),
    bitrateKbps: count(r["bitrate_kbps"]),
    measuredKbps: count(r["measured_kbps"]),
    hidden: r["hidden"] === true,
    peers: count(r["peers"]),
    swaps: count(r["swaps"]),
    late: count(r["late"]),
    rejected: count(r["rejected"]),
    falseBlocks: count(r["false_blocks"]),
    peer: count(r["peer_bytes"]),
    seed: count(r["seed_bytes"]),
    edge: count(r["edge_bytes"]),
    origin: count(r["origin_bytes"]),
    neighbours: list(r["neighbour_id"]).map((id, i) => ({
      id: text(id),
      kind: text(list(r["neighbour_kind"])[i]),
      rttMs: count(list(r["neighbour_rtt_ms"])[i]),
      kbps: count(list(r["neighbour_kbps"])[i]),
      late: count(list(r["neighbour_late"])[i]),
    })),
  }));
}

/** A time in which the picture stood. */
export interface Stall {
  /** Unix seconds. */
  from: number;
  to: number;
  words: string;
}

const stood = (r: Report) => r.stalls > 0 || r.dryMs > 0 || r.state === "stalled";

/** The stalls of a visit in the order of time, each with what its reports say of its cause. */
export function stalls(reports: Report[]): Stall[] {
  const out: Stall[] = [];
  for (let i = 0; i < reports.length; i++) {
    if (!stood(reports[i]!)) continue;
    const first = i;
    while (i + 1 < reports.length && stood(reports[i + 1]!)) i++;
    const run = reports.slice(first, i + 1);
    const dry = sum(run, (r) => r.dryMs);
    if (dry === 0 && sum(run, (r) => r.stalls) === 0) continue; // it began in the last report there is
    out.push(explained(run, dry));
  }
  return out;
}

function explained(run: Report[], dryMs: number): Stall {
  const [first, last] = [run[0]!, run[run.length - 1]!];
  const from = first.turned && first.state === "stalled" ? first.at : first.at - Math.max(first.dryMs, first.intervalMs) / 1_000;
  const when = first.turned && first.state === "stalled" ? `at ${clock(first.at)}` : `between ${clock(from)} and ${clock(first.at)}`;
  const why = causes(run);
  const said = why.length > 0 ? `, while ${sentence(why)}` : "; the reports do not say why";
  return { from, to: last.at, words: `The buffer ran dry ${when}, for ${duration(dryMs / 1_000)}${said}.` };
}

/** What was so in the reports of a stall that may have made it. */
function causes(run: Report[]): string[] {
  const out: string[] = [];
  const late = new Map<string, Neighbour>();
  for (const n of run.flatMap((r) => r.neighbours)) {
    if (n.late > 0) late.set(n.id, { ...n, late: n.late + (late.get(n.id)?.late ?? 0) });
  }
  const worst = [...late.values()].sort((a, b) => b.late - a.late)[0];
  if (worst) out.push(`${worst.kind === "peer" ? "the viewer" : `the ${worst.kind}`} ${worst.id} was late with ${worst.late === 1 ? "a block" : `${worst.late} blocks`}`);
  const all = sum(run, (r) => r.peer + r.seed + r.edge + r.origin);
  const origin = sum(run, (r) => r.origin);
  if (all === 0) out.push("nothing arrived");
  else if (origin / all >= 0.2) out.push(`the origin delivered ${share(origin / all)}`);
  const slow = run.find((r) => r.measuredKbps > 0 && r.measuredKbps < r.bitrateKbps);
  if (slow) out.push(`the line brought ${rate(slow.measuredKbps * 1e3)}, less than the ${rate(slow.bitrateKbps * 1e3)} of the picture`);
  if (run.every((r) => r.peers === 0) && all > 0) out.push("no peer was connected");
  const bad = sum(run, (r) => r.rejected + r.falseBlocks);
  if (bad > 0) out.push(`${bad === 1 ? "one delivery was" : `${bad} deliveries were`} false and thrown away`);
  const swaps = sum(run, (r) => r.swaps);
  if (swaps > 0) out.push(swaps === 1 ? "a parent was exchanged" : `${swaps} parents were exchanged`);
  if (run.every((r) => r.hidden)) out.push("the page was hidden, which browsers slow down");
  return out;
}

function sum(run: Report[], of: (r: Report) => number): number {
  return run.reduce((all, r) => all + of(r), 0);
}

function sentence(parts: string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts[parts.length - 1]}`;
}

/** How a visit began, and how it went, in a sentence. */
export function story(reports: Report[]): string {
  const last = reports[reports.length - 1];
  if (!last) return "There are no reports of this visit: they may have gone of age.";
  const start = Math.max(...reports.map((r) => r.startMs));
  const waited = last.at - reports[0]!.at;
  const all = stalls(reports);
  if (start === 0) return `No first picture was reported${waited > 0 ? ` in ${duration(waited)}` : ""}.`;
  const began = `The first picture came after ${duration(start / 1_000)}`;
  if (all.length === 0) return `${began}, and the picture never stood.`;
  const dry = sum(reports, (r) => r.dryMs) / 1_000;
  return `${began}; then the picture stood ${all.length === 1 ? "once" : `${all.length} times`}, for ${duration(dry)}${all.length === 1 ? "" : " in all"}.`;
}

/** What a visit's neighbours did in all, those with the most late blocks first. */
export function neighbours(reports: Report[]): (Neighbour & { told: number })[] {
  const all = new Map<string, Neighbour & { told: number }>();
  for (const n of reports.flatMap((r) => r.neighbours)) {
    const known = all.get(n.id);
    if (!known) all.set(n.id, { ...n, told: 1 });
    else {
      known.told++;
      known.late += n.late;
      known.rttMs += n.rttMs;
      known.kbps += n.kbps;
    }
  }
  return [...all.values()].map((n) => ({ ...n, rttMs: n.rttMs / n.told, kbps: n.kbps / n.told })).sort((a, b) => b.late - a.late || b.kbps - a.kbps);
}
