// The charts there are: what each is asked by, how it is drawn, and what it means.
import type { Unit } from "./words.ts";

export interface Line {
  column: string;
  name: string;
  /** A colour of the style sheet. */
  colour: string;
  dashed?: boolean;
}

export interface ChartSpec {
  id: string;
  /** The chart's name in the API. */
  chart: string;
  title: string;
  means: string;
  unit: Unit;
  lines: Line[];
  /** Lines are parts of a whole, on top of each other. */
  stack?: boolean;
  /** What a point without a row has. */
  missing: 0 | null;
}

export const overview: ChartSpec[] = [
  {
    id: "viewers", chart: "viewers", title: "Viewers", means: "How many watched at a time.", unit: "count", missing: 0,
    lines: [{ column: "viewers", name: "On average", colour: "peer" }, { column: "most", name: "At most", colour: "soft", dashed: true }],
  },
  {
    id: "sources", chart: "sources", title: "Where the bytes came from", means: "All that viewers received and verified, by who delivered it.", unit: "rate", missing: 0, stack: true,
    lines: [
      { column: "peer_bps", name: "Viewers", colour: "peer" },
      { column: "seed_bps", name: "Seeds", colour: "seed" },
      { column: "edge_bps", name: "Edges", colour: "edge" },
      { column: "origin_bps", name: "Origin", colour: "origin" },
    ],
  },
  {
    id: "delay", chart: "delay", title: "Behind the camera", means: "How late the picture was.", unit: "ms", missing: null,
    lines: [{ column: "p50_ms", name: "Half of the time below", colour: "seed" }, { column: "p95_ms", name: "19 of 20 below", colour: "edge" }],
  },
  {
    id: "offload", chart: "offload", title: "From other viewers", means: "The part of the bytes that no server had to send.", unit: "share", missing: null,
    lines: [{ column: "offload", name: "Offload", colour: "peer" }],
  },
  {
    id: "waiting", chart: "stalls", title: "Waiting", means: "The part of the time in which the picture should have moved, and stood.", unit: "share", missing: null,
    lines: [{ column: "rebuffering_ratio", name: "Rebuffering", colour: "bad" }],
  },
  {
    id: "stalls", chart: "stalls", title: "Stalls", means: "How often the picture stood, for each hour that one viewer watched.", unit: "perHour", missing: null,
    lines: [{ column: "stalls_per_viewer_hour", name: "Stalls", colour: "bad" }],
  },
  {
    id: "startup", chart: "startup", title: "Until the first picture", means: "From the wish to see to the first picture.", unit: "ms", missing: null,
    lines: [{ column: "p50_ms", name: "Half of visits below", colour: "seed" }, { column: "p95_ms", name: "19 of 20 below", colour: "edge" }],
  },
  {
    id: "exits", chart: "exits", title: "Visits", means: "Those that began, and those that left before there was a picture.", unit: "count", missing: 0,
    lines: [{ column: "begun", name: "Began", colour: "seed" }, { column: "left_before_start", name: "Left before the picture", colour: "bad" }],
  },
  {
    id: "saved", chart: "saved", title: "Egress saved", means: "What viewers gave to each other since the beginning of the range.", unit: "bytes", missing: null,
    lines: [{ column: "saved_bytes", name: "Saved", colour: "peer" }],
  },
  {
    id: "way", chart: "way", title: "A piece’s way", means: "From its first sample to the signature, and from there to the seeds and to viewers.", unit: "ms", missing: null,
    lines: [
      { column: "signed_p50_ms", name: "Signed, half below", colour: "origin" },
      { column: "signed_p95_ms", name: "19 of 20", colour: "origin", dashed: true },
      { column: "seeded_p50_ms", name: "At seeds, half below", colour: "seed" },
      { column: "seeded_p95_ms", name: "19 of 20", colour: "seed", dashed: true },
      { column: "viewed_p50_ms", name: "At viewers, half below", colour: "peer" },
      { column: "viewed_p95_ms", name: "19 of 20", colour: "peer", dashed: true },
    ],
  },
];

export const lateness: ChartSpec = {
  id: "late", chart: "late", title: "Blocks that came too late", means: "From seeds and edges, as viewers saw them.", unit: "perMinute", missing: 0,
  lines: [{ column: "seed_blocks", name: "Of seeds", colour: "seed" }, { column: "edge_blocks", name: "Of edges", colour: "edge" }],
};
