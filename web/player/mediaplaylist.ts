// A rendition's low-latency HLS playlist as a pure function of entries: byte for byte what every origin writes
// (docs/spec/manifest.md; RFC 8216bis).
import { type Entry, timescale } from "./documents.ts";

/** What of an entry a playlist depends on. */
export type Listed = Pick<Entry, "epoch" | "n" | "msn" | "dsn" | "part" | "key" | "gap" | "dur" | "at" | "target" | "init">;

export interface MediaOptions {
  /** Nothing follows for now: the last segment is whole, and no next part is hinted at. */
  ended?: boolean;
  /** A delta update (_HLS_skip=YES). */
  skip?: boolean;
}

const targetDuration = 4; // seconds
// Distances from the end (RFC 8216bis 4.4.3.8 and 4.4.4.9), in ticks.
const partsUntil = 3 * targetDuration * timescale;
const skipUntil = 6 * targetDuration * timescale;

interface Segment {
  entries: Listed[];
  dur: number;
  toEnd: number; // ticks between its end and the playlist's
  whole: boolean;
}

/** Writes the playlist of entries that are in order, without holes, from a segment's start. URIs are relative to it. */
export function mediaPlaylist(entries: readonly Listed[], { ended = false, skip = false }: MediaOptions = {}): string {
  const segments = segmentsOf(entries, ended);
  const target = entries.reduce((most, e) => Math.max(most, e.target), 0);
  const control = `CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=${seconds(3 * target)},HOLD-BACK=${seconds(partsUntil)},CAN-SKIP-UNTIL=${seconds(skipUntil)}`;
  const lines = [
    "#EXTM3U",
    "#EXT-X-VERSION:9",
    `#EXT-X-TARGETDURATION:${targetDuration}`,
    `#EXT-X-SERVER-CONTROL:${control}`,
    `#EXT-X-PART-INF:PART-TARGET=${seconds(target)}`,
    `#EXT-X-MEDIA-SEQUENCE:${entries[0]?.msn ?? 0}`,
  ];
  const last = entries.at(-1);
  if (last) {
    lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${entries[0]!.dsn}`);
    const kept = skip ? segments.findIndex((s) => s.toEnd < skipUntil) : 0;
    if (kept > 0) lines.push(`#EXT-X-SKIP:SKIPPED-SEGMENTS=${kept}`);
    for (let i = kept; i < segments.length; i++) write(lines, segments[i]!, segments[i - 1]?.entries[0]);
    if (!ended) lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${last.epoch}/${last.n + 1}.m4s"`);
  }
  return `${lines.join("\n")}\n`;
}

/**
 * Says what is done with a blocking request for a playlist that has segment msn, and, unless part is negative, that part
 * of it (RFC 8216bis 6.2.5.2). A part past the end of its segment means the next segment's first.
 */
export function answers(entries: readonly Listed[], ended: boolean, msn: number, part: number): "ready" | "hold" | "refuse" {
  const last = entries.at(-1);
  if (!last) return "hold";
  if (last.msn > msn || (last.msn === msn && (part < 0 ? ended : last.part >= part))) return "ready";
  return msn > last.msn + 2 ? "refuse" : "hold";
}

function segmentsOf(entries: readonly Listed[], ended: boolean): Segment[] {
  const out: Segment[] = [];
  for (const e of entries) {
    const open = out.at(-1);
    if (open?.entries[0]!.msn === e.msn) {
      open.entries.push(e);
      open.dur += e.dur;
      continue;
    }
    if (open) open.whole = true;
    out.push({ entries: [e], dur: e.dur, toEnd: 0, whole: ended });
  }
  for (let i = out.length - 2; i >= 0; i--) out[i]!.toEnd = out[i + 1]!.toEnd + out[i + 1]!.dur;
  return out;
}

function write(lines: string[], s: Segment, before: Listed | undefined): void {
  const first = s.entries[0]!;
  const cut = before !== undefined && before.dsn !== first.dsn;
  if (cut) lines.push("#EXT-X-DISCONTINUITY");
  if (!before || cut || before.init !== first.init) lines.push(`#EXT-X-MAP:URI="init/${first.init ?? ""}.mp4"`);
  lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(first.at).toISOString()}`);
  if (s.toEnd < partsUntil) {
    for (const e of s.entries) {
      const flags = `${e.key ? ",INDEPENDENT=YES" : ""}${e.gap ? ",GAP=YES" : ""}`;
      lines.push(`#EXT-X-PART:DURATION=${seconds(e.dur)},URI="${e.epoch}/${e.n}.m4s"${flags}`);
    }
  }
  if (!s.whole) return;
  if (s.entries.every((e) => e.gap)) lines.push("#EXT-X-GAP");
  lines.push(`#EXTINF:${seconds(s.dur)},`, `seg/${first.msn}.m4s`);
}

/** Ticks as decimal seconds, to the nearest 10 µs, in integers only: the same everywhere. */
function seconds(ticks: number): string {
  const perSecond = 100_000;
  const v = Math.floor((ticks * 2 * perSecond + timescale) / (2 * timescale));
  return `${Math.floor(v / perSecond)}.${String(v % perSecond).padStart(5, "0")}`;
}
