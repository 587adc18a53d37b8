// The LL-HLS playlist of a test stream.
import type { Made, TestStream } from "./stream.ts";

export function mediaPlaylist(s: TestStream): string {
  const segments: Made[][] = [];
  for (const m of s.made.slice(-150)) {
    if (m.entry.part === 0) segments.push([]);
    segments.at(-1)?.push(m);
  }
  const first = segments[0]?.[0]?.entry;
  const lines = [
    "#EXTM3U",
    "#EXT-X-VERSION:9",
    "#EXT-X-TARGETDURATION:4",
    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.9,HOLD-BACK=12",
    "#EXT-X-PART-INF:PART-TARGET=0.3",
    `#EXT-X-MEDIA-SEQUENCE:${first?.msn ?? 0}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${first?.dsn ?? 0}`,
    `#EXT-X-MAP:URI="init/${s.initRoot}.mp4"`,
  ];
  let dsn = first?.dsn;
  for (const [i, parts] of segments.entries()) {
    const head = parts[0]!.entry;
    if (head.dsn !== dsn) lines.push("#EXT-X-DISCONTINUITY", `#EXT-X-MAP:URI="init/${s.initRoot}.mp4"`);
    dsn = head.dsn;
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(head.at).toISOString()}`);
    if (i >= segments.length - 12) {
      for (const p of parts) {
        lines.push(`#EXT-X-PART:URI="${head.epoch}/${p.entry.n}.m4s",DURATION=${(p.entry.dur / 90_000).toFixed(5)}${p.key ? ",INDEPENDENT=YES" : ""}`);
      }
    }
    if (i < segments.length - 1) {
      lines.push(`#EXTINF:${(parts.reduce((n, p) => n + p.entry.dur, 0) / 90_000).toFixed(5)},`, `seg/${head.msn}.m4s`);
    }
  }
  const last = s.made.at(-1)?.entry;
  if (last && s.live) lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${last.epoch}/${last.n + 1}.m4s"`);
  return `${lines.join("\n")}\n`;
}

/** Reports whether the playlist has segment msn, up to the given part of it. */
export function reached(s: TestStream, msn: number, part: number): boolean {
  const last = s.made.at(-1)?.entry;
  return last !== undefined && (last.msn > msn || (last.msn === msn && part >= 0 && last.part >= part));
}
