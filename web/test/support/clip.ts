// Real fragmented MP4 from ffmpeg, cut into pieces: what the test origin plays out.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bytes } from "../../player/bytes.ts";

export interface Cut {
  data: Bytes;
  pts: number; // ticks of 1/90000 s
  dur: number;
  key: boolean;
}

/** One frame; ffmpeg shifts all times by less, to make room for AAC's priming. */
const frame = 3_000;

export interface Clip {
  init: Bytes;
  cuts: Cut[];
}

/** Encodes `seconds` of a test picture (a source of ffmpeg's by name, or a whole graph) with a tone: 30 frames/s, a keyframe each second, pieces of 200 ms. */
export function makeClip(seconds: number, picture = "testsrc2", rate = "800k"): Clip {
  const dir = mkdtempSync(join(tmpdir(), "shoal-clip-"));
  try {
    const file = join(dir, "clip.mp4");
    execFileSync("ffmpeg", [
      ...["-v", "error", "-f", "lavfi", "-i", picture.includes("=") ? picture : `${picture}=size=640x360:rate=30`, "-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000"],
      ...["-t", String(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0", "-pix_fmt", "yuv420p"],
      ...["-g", "30", "-keyint_min", "30", "-sc_threshold", "0", "-b:v", rate, "-c:a", "aac", "-video_track_timescale", "90000"],
      ...["-movflags", "+empty_moov+default_base_moof+frag_keyframe", "-frag_duration", "200000", file],
    ]);
    return cut(new Uint8Array(readFileSync(file)));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function cut(file: Bytes): Clip {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let initEnd = 0;
  const found: { from: number; to: number; pts: number | null }[] = [];
  for (const box of boxes(view, 0, file.length)) {
    if (box.type === "moov") initEnd = box.to;
    if (box.type === "moof") found.push({ from: box.from, to: box.to, pts: videoTime(view, box.from + 8, box.to) });
    if (box.type === "mdat" && found.length > 0) found.at(-1)!.to = box.to;
  }
  // A fragment without a picture belongs to the one before it.
  const cuts: Cut[] = [];
  for (const f of found) {
    const data = file.slice(f.from, f.to);
    const last = cuts.at(-1);
    if (f.pts === null && last) last.data = new Uint8Array([...last.data, ...data]);
    else if (f.pts !== null) cuts.push({ data, pts: f.pts, dur: 0, key: f.pts % 90_000 < frame });
  }
  for (const [i, c] of cuts.entries()) c.dur = (cuts[i + 1]?.pts ?? c.pts + 18_000) - c.pts;
  return { init: file.slice(0, initEnd), cuts };
}

interface Box {
  type: string;
  from: number;
  to: number;
}

function* boxes(view: DataView, from: number, to: number): Generator<Box> {
  for (let at = from; at + 8 <= to; ) {
    const size = view.getUint32(at);
    const type = String.fromCharCode(...[4, 5, 6, 7].map((i) => view.getUint8(at + i)));
    yield { type, from: at, to: at + size };
    at += size;
  }
}

/** The decode time of track 1 (the picture) in a moof, or null when it has none. */
function videoTime(view: DataView, from: number, to: number): number | null {
  for (const traf of boxes(view, from, to)) {
    if (traf.type !== "traf") continue;
    let track = 0;
    let time = 0;
    for (const box of boxes(view, traf.from + 8, traf.to)) {
      if (box.type === "tfhd") track = view.getUint32(box.from + 12);
      if (box.type === "tfdt") {
        time = view.getUint8(box.from + 8) === 1 ? Number(view.getBigUint64(box.from + 12)) : view.getUint32(box.from + 12);
      }
    }
    if (track === 1) return time;
  }
  return null;
}
