// The origin, asked at last for what neither lanes nor peers brought (docs/spec/live-swarm.md 7.4.6).
import type { Bytes } from "../bytes.ts";
import { blockSize } from "../merkle.ts";
import { sources } from "./effects.ts";
import { blockLen, type Key } from "./messages.ts";
import type { Node } from "./node.ts";
import { cancel, place, pump } from "./push.ts";
import { look } from "./repair.ts";
import { millisecond, never, second, type Time } from "./time.ts";
import { guessedRate, type Piece, type Track } from "./window.ts";

/** Before the origin is asked where no time of playing is known. */
const noClock = second;
/** After the origin failed. */
const fetchAgain = 500 * millisecond;
/** Of the stream's own: how fast the origin answers, as far as anybody knows. */
const originRate = 8;
/** That an answer is reckoned to take beyond ToOrigin. */
const originMost = 100 * millisecond;

/** When the origin is to be asked for what is missing of a piece: with ToOrigin of slack, and what the bytes take on the way. */
export function originTime(n: Node, now: Time, t: Track, p: Piece, slack: Time | undefined): Time {
  if (n.noOrigin || p.fetching) return never;
  if (slack === undefined) return t.follows ? Math.max(p.headAt + noClock, p.originAt) : never;
  const rate = t.rate === 0 ? guessedRate / 8 : t.rate;
  const bytes = Math.min(p.left * blockSize, p.head.entry.size);
  const long = Math.trunc((bytes / (originRate * rate)) * second);
  return Math.max(now + slack - n.t.ToOrigin - Math.min(long, originMost), p.originAt);
}

/** Asks the origin for what is missing of a piece. Once it has failed, peers go on. */
export function fetch(n: Node, p: Piece): void {
  const missing = [...p.blocks.keys()].filter((i) => !p.blocks[i]);
  for (const i of missing) {
    const a = p.asks![i]!;
    if (!a.by || p.failed) continue;
    cancel(n, a.by, p, i);
    a.by.wants--;
    a.by = null;
  }
  p.fetching = true;
  n.out.fetch.push({ head: p.head, first: missing[0]!, last: missing.at(-1)! });
}

/** Takes in what the origin answered to a Fetch: whole blocks from the first that was asked for on, not verified. */
export function fetched(n: Node, now: Time, k: Key, first: number, data: Bytes): void {
  const t = n.known(k.r);
  const p = t?.find(k);
  if (!t || !p) return;
  let rest = data;
  for (let i = Math.max(first, 0); i < p.blocks.length && rest.length > 0; i++) {
    const size = Math.min(blockLen(p.head.entry.size, i), rest.length);
    place(n, now, t, p, i, rest.subarray(0, size), null, sources.origin, false);
    rest = rest.subarray(size);
  }
  fetchEnded(now, t, p);
  pump(n, now);
}

/** Takes in that the origin has no answer to a Fetch. */
export function fetchFailed(n: Node, now: Time, k: Key): void {
  const t = n.known(k.r);
  const p = t?.find(k);
  if (!t || !p) return;
  p.failed = true;
  fetchEnded(now, t, p);
}

/** Lets peers be asked for what is still missing, and the origin in a while. */
function fetchEnded(now: Time, t: Track, p: Piece): void {
  p.fetching = false;
  p.originAt = now + fetchAgain;
  p.peersAt = now;
  look(t, p, now);
}
