// The line of a report, as event/reportcodec.go writes it and docs/spec/telemetry.md describes it: a dictionary of
// structured fields (RFC 9651) with CMCD's names and units where it has one.

/** What a player does, in CMCD's letters. */
export type PlayState = "s" | "p" | "k" | "r" | "a" | "w" | "e" | "f" | "q" | "d";

/** One other peer. */
export interface Neighbour {
  id: string; // 8 hexadecimal digits
  kind: "peer" | "seed" | "edge";
  rtt?: number; // ms
  goodput?: number; // kbit/s that it gave
  late?: number; // blocks of it that came after they were needed
}

/**
 * What one device saw of one stream since its report before. Times are ms, bitrates kbit/s, media is counted in verified
 * bytes. What is left out is 0.
 */
export interface Report {
  stream: string; // its id
  session: string; // of one visit
  n: number; // 0, 1, … in a session
  at: number; // Unix ms by the server's clock
  event: "t" | "ps"; // due by time, or by a change of state
  state: PlayState;
  format?: "h" | "o"; // HLS, or another
  type?: "ll"; // live, with low latency
  bitrate?: number;
  top?: number; // the greatest bitrate there is
  buffer?: number;
  measured?: number; // what arrived in a second of receiving
  start?: number; // from the wish to see to the first picture; once
  delay?: number; // of the picture behind the camera's bytes
  dropped?: number; // pictures not shown, since the session began
  hidden?: boolean;
  starved?: boolean; // it ran dry
  dryMs?: number;
  slack?: number; // so long before they were needed half of the pieces were here, at least
  reporter: "page" | "watch" | "seed" | "edge";
  interval?: number; // that it tells of
  peerBytes?: number;
  seedBytes?: number;
  edgeBytes?: number;
  originBytes?: number;
  duplicate?: number; // valid bytes that came more than once
  verified?: number; // pieces
  rejected?: number; // pieces
  falseBlocks?: number;
  late?: number; // pieces that came after they were needed
  leastSlack?: number; // slack of all but the worst twentieth
  stalls?: number;
  played?: number; // ms in which the picture moved
  wanted?: number; // ms in which it should have
  given?: number; // bytes
  uplink?: number; // that may be given; 0: no bound
  peers?: number;
  swaps?: number; // parents that were exchanged
  signed50?: number; // from ingest's having a piece to its entry: the median
  signed95?: number; // and of all but the worst twentieth
  here50?: number; // from the entry to the piece's being here and verified
  here95?: number;
  consent?: "share" | "download" | "edge";
  rendition?: string;
  region?: string;
  class?: string; // of the browser and the device
  neighbours?: Neighbour[]; // those that gave most, at most maxNeighbours
}

/** How a value is written: an integer (negative only as `signed`), one in a list, a word with or without quotes, or a bare key. */
type Shape = "whole" | "signed" | "listed" | "truth" | "token" | "text";
type Field = readonly [key: string, shape: Shape, of: keyof Report];

export const maxNeighbours = 4;
const version = 1; // of our part
const cmcdVersion = 2;
const mostWhole = 999_999_999_999_999; // RFC 9651, 3.3.1

/** In the order in which they are written; our part comes between the two. */
const before: readonly Field[] = [
  ["bg", "truth", "hidden"],
  ["bl", "listed", "buffer"],
  ["br", "listed", "bitrate"],
  ["bs", "truth", "starved"],
  ["bsd", "listed", "dryMs"],
  ["cid", "text", "stream"],
];
const after: readonly Field[] = [
  ["dfa", "whole", "dropped"],
  ["dl", "signed", "slack"],
  ["e", "token", "event"],
  ["ltc", "whole", "delay"],
  ["msd", "whole", "start"],
  ["mtp", "listed", "measured"],
  ["sf", "token", "format"],
  ["sid", "text", "session"],
  ["sn", "whole", "n"],
  ["st", "token", "type"],
  ["sta", "token", "state"],
  ["tb", "listed", "top"],
  ["ts", "whole", "at"],
];
const own: readonly Field[] = [
  ["d", "whole", "interval"],
  ["pe", "whole", "peerBytes"],
  ["se", "whole", "seedBytes"],
  ["ed", "whole", "edgeBytes"],
  ["or", "whole", "originBytes"],
  ["du", "whole", "duplicate"],
  ["ok", "whole", "verified"],
  ["rj", "whole", "rejected"],
  ["fb", "whole", "falseBlocks"],
  ["la", "whole", "late"],
  ["s5", "signed", "leastSlack"],
  ["sc", "whole", "stalls"],
  ["pl", "whole", "played"],
  ["wa", "whole", "wanted"],
  ["up", "whole", "given"],
  ["uc", "whole", "uplink"],
  ["pr", "whole", "peers"],
  ["sw", "whole", "swaps"],
  ["g5", "whole", "signed50"],
  ["g9", "whole", "signed95"],
  ["h5", "whole", "here50"],
  ["h9", "whole", "here95"],
  ["co", "token", "consent"],
  ["r", "token", "rendition"],
  ["rg", "token", "region"],
  ["ua", "token", "class"],
];

/** A report as it is sent, without a line's end. What is zero is left out, but for the number. */
export function lineOf(r: Report): string {
  const neighbours = (r.neighbours ?? []).slice(0, maxNeighbours).map(neighbourOf).join(" ");
  return [
    ...before.flatMap((f) => written(r, f)),
    ...(neighbours === "" ? [] : [`com.shoalcast-n=(${neighbours})`]),
    [`com.shoalcast-r=${r.reporter};v=${version}`, ...own.flatMap((f) => written(r, f))].join(";"),
    ...after.flatMap((f) => written(r, f)),
    `v=${cmcdVersion}`,
  ].join(",");
}

function written(r: Report, [key, shape, of]: Field): string[] {
  const value = r[of];
  switch (shape) {
    case "truth":
      return value ? [key] : [];
    case "token":
      return value ? [`${key}=${value as string}`] : [];
    case "text":
      return value ? [`${key}="${value as string}"`] : [];
  }
  const n = whole(value as number | undefined, shape === "signed");
  if (n === 0 && key !== "sn") return [];
  return [shape === "listed" ? `${key}=(${n})` : `${key}=${n}`];
}

function neighbourOf({ id, kind, rtt, goodput, late }: Neighbour): string {
  const numbers = [["t", rtt], ["g", goodput], ["l", late]] as const;
  const told = numbers.flatMap(([key, value]) => (whole(value) === 0 ? [] : [`;${key}=${whole(value)}`]));
  return `"${id}";k=${kind}${told.join("")}`;
}

/** The nearest integer that can be written; what is no number is 0. */
function whole(value = 0, signed = false): number {
  const n = Number.isFinite(value) ? Math.round(value) : 0;
  return Math.min(Math.max(n, signed ? -mostWhole : 0), mostWhole) + 0; // never -0
}
