// One run of hls.js over one Session: from joining a live stream until it ends, breaks
// or is stopped.
import Hls, { type Fragment, type Part } from "hls.js/light";
import { timescale, type Entry } from "./documents.ts";
import { fragmentLoader } from "./loader.ts";
import { steer, Target } from "./live.ts";
import { playlistLoader } from "./playlists.ts";
import type { Session } from "./session.ts";

/** A stretch of the player's timeline and the entry that it plays. */
interface Mark {
  from: number;
  to: number;
  entry: Entry;
}

export interface PlaybackEvents {
  /** A verified piece goes to the player. */
  piece(entries: Entry[]): void;
  /** The playhead ran dry for this long (ms). */
  stalled(ms: number): void;
  /** What cannot go on: a bad piece, a fork, an unplayable codec. */
  failed(err: unknown): void;
  /** The origin does not answer as it should; the stream may have ended. */
  trouble(): void;
  /** The playlist has no media yet. */
  empty(): void;
  /** Live is reached soonest by joining anew. */
  rejoin(): void;
}

const startBehind = 0.3; // seconds behind the newest piece, until jitter is measured
const maxMarks = 400;
const maxPending = 32; // handed to hls.js, not yet on the timeline
const tickMs = 100;
const maxBehind = 20; // seconds kept behind the playhead
const maxAhead = 15;
const minAhead = 2; // less would stall
const haltMs = 500; // after which what could not be had is asked for again
const stallMs = 250; // the playhead held shorter than this is no stall

export class Playback {
  private readonly hls: Hls;
  private marks: Mark[] = [];
  private readonly pending = new Map<string, Entry[]>();
  private readonly timer: number;
  private readonly joinedAt: Entry | undefined;
  private readonly listeners = new AbortController();
  private waitingSince = 0;
  private haltedAt = 0; // hls.js asks for nothing more after a request that failed for good
  private playedOnce = false;
  private epoch = 0;
  private behind = true; // the playhead may be far from live, at a keyframe that is long past

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly session: Session,
    url: string, // of the multivariant playlist: what the addresses in playlists are relative to
    private readonly on: PlaybackEvents,
    private readonly target: Target,
    private readonly maxBuffer = Number.POSITIVE_INFINITY, // bytes
  ) {
    target.reset();
    this.joinedAt = session.joinedAt;
    this.hls = new Hls({
      lowLatencyMode: true,
      liveSyncDuration: startBehind,
      liveMaxLatencyDuration: 30, // a join may begin at a keyframe that is long past
      liveDurationInfinity: true,
      liveSyncOnStallIncrease: 0,
      maxLiveSyncPlaybackRate: 1, // steer() sets the speed
      backBufferLength: maxBehind,
      maxBufferLength: maxAhead, // from that keyframe to live
      startLevel: 0,
      testBandwidth: false,
      enableWorker: false, // fMP4 needs no transmuxing, and the page allows no worker
      pLoader: playlistLoader(session, startBehind) as never,
      fLoader: fragmentLoader({
        get: (url, what, signal) => session.get(url, what, signal),
        delivered: (url, got) => {
          if (this.pending.size >= maxPending) this.pending.clear();
          this.pending.set(url, got.entries);
          if (got.entries.length > 0) on.piece(got.entries);
        },
        failed: (err) => on.failed(err),
      }) as never,
      manifestLoadPolicy: policy(2),
      playlistLoadPolicy: policy(1),
      fragLoadPolicy: policy(1),
    });
    this.hls.on(Hls.Events.FRAG_BUFFERED, (_, data) => this.buffered(data.frag as Fragment, data.part));
    this.hls.on(Hls.Events.ERROR, (_, data) => {
      if (data.details === Hls.ErrorDetails.LEVEL_EMPTY_ERROR) return on.empty();
      if (data.type === Hls.ErrorTypes.NETWORK_ERROR) {
        if (data.fatal) this.haltedAt = performance.now();
        return on.trouble();
      }
      if (!data.fatal) return;
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.playedOnce) return this.hls.recoverMediaError();
      on.failed(data.error);
    });
    this.watchStalls();
    this.hls.attachMedia(video);
    this.hls.loadSource(url);
    this.timer = window.setInterval(() => this.tick(), tickMs);
  }

  destroy(): void {
    clearInterval(this.timer);
    this.listeners.abort();
    this.hls.destroy();
    this.video.playbackRate = 1;
  }

  /** The entry at the playhead and how far into it, in seconds. */
  playing(): { entry: Entry; into: number } | null {
    const t = this.video.currentTime;
    const mark = this.marks.findLast((m) => m.from <= t + 0.001);
    if (!mark || t > mark.to + 1) return null;
    return { entry: mark.entry, into: t - mark.from };
  }

  /** Goes back to live after a pause. */
  toLive(): void {
    const edge = this.hls.liveSyncPosition;
    const end = this.bufferedEnd();
    if (edge === null) return;
    if (end > 0 && Math.abs(end - edge) < 1) this.video.currentTime = Math.max(0, end - startBehind);
    else if (this.longGops()) this.on.rejoin();
    else this.video.currentTime = edge;
  }

  /** Reports whether segments begin without a keyframe: hls.js does not get going in the middle of such. */
  private longGops(): boolean {
    return (this.hls.latestLevelDetails?.partList ?? []).some((p) => p.index === 0 && !p.independent);
  }

  /** Goes on to live from the keyframe that playing began at, once all is buffered from there to what is newest. */
  private catchUp(): void {
    const edge = this.hls.latestLevelDetails?.edge;
    if (!this.behind || edge === undefined) return;
    const { video } = this;
    const to = this.bufferedEnd() - startBehind;
    if (to < edge - 1 || this.bufferedFrom() > video.currentTime) return;
    this.behind = false;
    if (to - video.currentTime > 1) video.currentTime = to;
  }

  /** Seconds between the playhead and the end of what is buffered. */
  ahead(): number {
    return Math.max(0, this.bufferedEnd() - this.video.currentTime);
  }

  bitrate(): number {
    const recent = this.marks.slice(-15);
    const span = recent.reduce((s, m) => s + m.entry.dur / timescale, 0);
    return span > 0 ? (8 * recent.reduce((s, m) => s + m.entry.size, 0)) / span : 0;
  }

  /** hls.js has put a piece or segment on the timeline: note where, and how soon it could be played. */
  private buffered(frag: Fragment, part: Part | null): void {
    const url = part ? part.url : frag.url;
    const entries = url ? this.pending.get(url) : undefined;
    if (!url || !entries?.length) return;
    this.pending.delete(url);
    const streams = part ? part.elementaryStreams : frag.elementaryStreams;
    const starts = [streams.audiovideo, streams.video, streams.audio].flatMap((s) => (s ? [s.startPTS] : []));
    const start = starts.length > 0 ? Math.min(...starts) : part ? part.start : frag.start;
    const zero = start - entries[0]!.pts / timescale;
    for (const entry of entries) {
      const from = zero + entry.pts / timescale;
      this.marks.push({ from, to: from + entry.dur / timescale, entry });
    }
    this.marks.sort((a, b) => a.from - b.from);
    if (this.marks.length > maxMarks) this.marks.splice(0, this.marks.length - maxMarks);
    const entry = entries[0]!;
    if (entry.epoch > this.epoch) {
      if (this.epoch !== 0) this.target.reset();
      this.epoch = entry.epoch;
    }
    const live = part !== null && (!this.joinedAt || entry.epoch > this.joinedAt.epoch || entry.n > this.joinedAt.n);
    if (live && this.playedOnce && entry.epoch === this.epoch) this.target.arrived(performance.now() / 1000, start);
  }

  /** Holds what is buffered to as many bytes as may be, half of them behind the playhead. */
  private bound(): void {
    const seconds = (4 * this.maxBuffer) / this.bitrate();
    this.hls.config.backBufferLength = Math.min(maxBehind, seconds);
    this.hls.config.maxBufferLength = Math.max(minAhead, Math.min(maxAhead, seconds));
  }

  private tick(): void {
    const { video } = this;
    this.session.idle = video.paused && this.playedOnce;
    if (this.haltedAt > 0 && performance.now() - this.haltedAt > haltMs) {
      this.haltedAt = 0;
      this.hls.startLoad();
    }
    if (Number.isFinite(this.maxBuffer) && this.marks.length > 0) this.bound();
    if (video.paused || video.seeking || video.readyState < 3) return;
    if (this.playedOnce) this.catchUp();
    const playing = this.playing();
    if (playing) this.session.played(playing.entry, playing.into);
    const now = performance.now() / 1000;
    const lag = this.target.lag(now);
    if (lag === null) return;
    const { rate, skip } = steer(now - video.currentTime - lag, video.playbackRate, this.ahead());
    if (skip > 0) video.currentTime += skip;
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }

  private watchStalls(): void {
    const { video } = this;
    const options = { signal: this.listeners.signal };
    video.addEventListener(
      "playing",
      () => {
        this.playedOnce = true;
        if (!this.waitingSince) return;
        const held = performance.now() - this.waitingSince;
        this.waitingSince = 0;
        if (held >= stallMs) this.on.stalled(held);
      },
      options,
    );
    video.addEventListener(
      "waiting",
      () => {
        if (!this.playedOnce || video.paused || video.seeking || document.hidden) return;
        this.waitingSince = performance.now();
        this.target.stalled(this.waitingSince / 1000);
      },
      options,
    );
    // Not before, or it would begin with waiting.
    video.addEventListener(
      "canplay",
      () => {
        if (!this.playedOnce && video.autoplay && video.paused) void video.play().catch(() => undefined);
      },
      options,
    );
    for (const name of ["seeking", "pause"]) video.addEventListener(name, () => (this.waitingSince = 0), options);
  }

  /** Where the last stretch that is buffered begins. */
  private bufferedFrom(): number {
    const { buffered } = this.video;
    return buffered.length > 0 ? buffered.start(buffered.length - 1) : Number.POSITIVE_INFINITY;
  }

  private bufferedEnd(): number {
    const { buffered } = this.video;
    return buffered.length > 0 ? buffered.end(buffered.length - 1) : 0;
  }

  /** For the page's details: what hls.js plays. */
  quality(): { width: number; height: number } {
    return { width: this.video.videoWidth, height: this.video.videoHeight };
  }
}

function policy(retries: number) {
  const retry = { maxNumRetry: retries, retryDelayMs: 200, maxRetryDelayMs: 1_000 };
  return { default: { maxTimeToFirstByteMs: 8_000, maxLoadTimeMs: 12_000, timeoutRetry: retry, errorRetry: retry } };
}

export function supported(): boolean {
  return Hls.isSupported();
}

