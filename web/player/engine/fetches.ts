// What the node asks of the origin when the swarm leaves something out: bounded in number and time, and after
// failures not before a pause.
import type { Bytes } from "../bytes.ts";
import { blockSize } from "../merkle.ts";
import type { Fetch } from "../swarm/effects.ts";
import { maxPiece } from "../swarm/messages.ts";

/** Questions that run at once, and that wait. */
const atOnce = 4;
const mostWaiting = 64;
/** For an answer: what takes longer is of no use any more. */
const answerMs = 5_000;
// After the origin failed, which is not what it is when it has no such piece.
const firstPause = 50; // ms; doubles
const mostPause = 1_000; // ms
/** Pieces of which the last copy was false, so that the next is asked for past all caches. */
const mostFalse = 64;

/** `gone`: the origin knows of no such piece, or no more. */
export type Answer = Bytes | "gone" | "failed";

/** The origin has no answer: `gone`, or as good as down. */
class NoAnswer extends Error {
  constructor(
    readonly answer: "gone" | "failed",
    message: string,
  ) {
    super(message);
  }
}

export interface FetchesOptions {
  /** Where a stream's pieces are: live/<name>/ under the origin's address. */
  base: URL;
  now: () => number; // ms
  /** Reports whether a piece is still to be asked for. */
  lacks: (f: Fetch) => boolean;
  answer: (f: Fetch, a: Answer) => void;
  fetch?: typeof fetch;
}

export class Fetches {
  private readonly waiting: Fetch[] = [];
  private readonly ended = new AbortController();
  private readonly bad: string[] = [];
  private running = 0;
  private pause = 0;
  private until = 0;

  constructor(private readonly o: FetchesOptions) {}

  /** Asks for blocks; answer is called once. */
  ask(f: Fetch): void {
    if (this.ready() && this.waiting.length < mostWaiting) this.waiting.push(f);
    else this.o.answer(f, "failed");
    this.next();
  }

  /** Takes note that what the origin gave was false: the next question goes past caches. */
  wasFalse(f: Fetch): void {
    this.bad.push(this.address(f));
    if (this.bad.length > mostFalse) this.bad.shift();
  }

  /** Ends all questions; they are not answered. */
  end(): void {
    this.waiting.length = 0;
    this.ended.abort();
  }

  private ready(): boolean {
    return this.o.now() >= this.until;
  }

  private next(): void {
    while (this.running < atOnce) {
      const f = this.waiting.shift();
      if (!f) return;
      if (this.ready() && this.o.lacks(f)) void this.run(f);
      else this.o.answer(f, "failed");
    }
  }

  private async run(f: Fetch): Promise<void> {
    this.running++;
    let answer: Answer;
    try {
      answer = await this.get(f);
      this.pause = this.until = 0;
    } catch (e) {
      answer = e instanceof NoAnswer ? e.answer : "failed";
      if (answer === "failed") this.tire();
    }
    this.running--;
    if (this.ended.signal.aborted) return;
    this.o.answer(f, answer);
    this.next();
  }

  /** Failures of questions that were asked together count as one. */
  private tire(): void {
    if (!this.ready()) return;
    this.pause = Math.min(Math.max(2 * this.pause, firstPause), mostPause);
    this.until = this.o.now() + this.pause;
  }

  private address(f: Fetch): string {
    const { r, epoch, n } = f.head.entry;
    return new URL(`${r}/${epoch}/${n}.m4s`, this.o.base).href;
  }

  private async get(f: Fetch): Promise<Bytes> {
    const { size } = f.head.entry;
    const from = f.first * blockSize;
    const to = Math.min((f.last + 1) * blockSize, size);
    const url = this.address(f);
    const whole = from === 0 && to === size; // what any cache can answer
    const headers: HeadersInit = whole ? {} : { Range: `bytes=${from}-${to - 1}` };
    const signal = AbortSignal.any([this.ended.signal, AbortSignal.timeout(answerMs)]);
    const response = await (this.o.fetch ?? fetch)(url, { headers, signal, cache: this.bad.includes(url) ? "reload" : "default" });
    if (response.status === 404 || response.status === 410) throw new NoAnswer("gone", "the origin does not know the piece");
    if (response.status !== 200 && response.status !== 206) throw new NoAnswer("failed", `the origin answered ${response.status}`);
    const part = response.status === 206;
    if (part && !(response.headers.get("Content-Range") ?? "").startsWith(`bytes ${from}-${to - 1}/`)) {
      throw new NoAnswer("failed", "the origin answered with another range than was asked for");
    }
    const body = await readAtMost(response, part ? to - from : maxPiece);
    const data = part ? body : body.subarray(from, to); // an origin that knows no ranges sends it all
    if (data.length !== to - from) throw new NoAnswer("failed", `the origin sent ${data.length} bytes of ${to - from}`);
    return data;
  }
}

async function readAtMost(response: Response, most: number): Promise<Bytes> {
  const chunks: Bytes[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const got = await reader?.read();
    if (!got || got.done) break;
    size += got.value.length;
    if (size > most) {
      await reader?.cancel();
      throw new NoAnswer("failed", "the origin sent more than a piece");
    }
    chunks.push(got.value as Bytes);
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (const c of chunks) {
    out.set(c, at);
    at += c.length;
  }
  return out;
}
