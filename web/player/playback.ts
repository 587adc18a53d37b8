// One run of hls.js over one Session: from joining a live stream until it ends, breaks
// or is stopped. The instance may be the page's own, which then has it back as it was.
import type Hls from "hls.js";
import type { Fragment, HlsConfig, Part } from "hls.js";
import { timescale, type Entry } from "./documents.ts";
import { classOf, configure, type HlsClass, loadHls } from "./hls.ts";
import { addLevels, levelOf, renditionOf } from "./levels.ts";
import { fragmentLoader } from "./loader.ts";
import { pastGap, steer, type Target } from "./live.ts";
import { playlistLoader, reload } from "./playlists.ts";
import type { Run, RunEvents, Runner, RunOptions } from "./runs.ts";
import type { Session } from "./session.ts";
import { Stalls } from "./stalls.ts";

/** A stretch of the player's timeline and the entry that it plays. */
interface Mark {
  from: number;
  to: number;
  entry: Entry;
}

const startBehind = 0.3; // seconds behind the newest piece, until jitter is measured
const maxMarks = 400;
const maxPending = 32; // handed to hls.js, not yet on the timeline
const tickMs = 100;
/** So far behind its target, in seconds, a player goes back to live rather than play all that it missed, as after an outage; not again within jumpEvery. */
const farBehind = 4;
const jumpEvery = 8;
const maxBehind = 20; // seconds kept behind the playhead
const maxAhead = 15;
const minAhead = 2; // less would stall
const haltMs = 500; // after which what could not be had is asked for again
/**
 * A picture has been dry for so long (ms), with media here that it cannot go on to: what is between is asked for anew, not
 * again within the other. Where so many seconds have come meanwhile, they are left out rather than fetched at the cost of what is live.
 */
const stuckMs = 1_000;
const unstickEveryMs = 3_000;
const missed = 1;

/** Plays by hls.js: by the page's own instance, or by a new one for each run. */
export function hlsRunner(own: Hls | undefined): Runner {
  let Class: HlsClass | undefined;
  return {
    ready: async () => void (Class ??= own ? classOf(own) : await loadHls()),
    unsupported: () => (own && gone(own) ? "The page ended its hls.js." : Class!.isSupported() ? "" : "This browser has no Media Source Extensions."),
    run: (o) => (own ? new Playback(own, o, (hls) => handBack(hls)) : new Playback(new Class!(), o, (hls) => hls.destroy())),
  };
}

/** Leaves an instance that goes on to be the page's. */
function handBack(hls: Hls): void {
  if (gone(hls)) return;
  hls.stopLoad();
  hls.detachMedia();
}

/** Reports whether the page destroyed an instance. */
function gone(hls: Hls): boolean {
  return hls.userConfig === null;
}

class Playback implements Run {
  private readonly video: HTMLVideoElement;
  private readonly session: Session;
  private readonly on: RunEvents;
  private readonly target: Target;
  private readonly maxBuffer: number;
  private marks: Mark[] = [];
  private readonly pending = new Map<string, Entry[]>();
  private readonly timer: number;
  private readonly listeners = new AbortController();
  private readonly restore: () => void;
  private readonly deaf: (() => void)[] = [];
  private liveFrom: number; // what was issued later came live
  private readonly stalls: Stalls;
  private haltedAt = 0; // hls.js asks for nothing more after a request that failed for good
  private flowedAt = 0; // there was something to play, or nobody wanted it to
  private unstuckAt = Number.NEGATIVE_INFINITY;
  private epoch = 0;
  private jumpedAt = Number.NEGATIVE_INFINITY;
  private wish: string | null; // the rendition to keep to once it is there
  private offered = 0; // renditions that hls.js was told of
  private loading: Fragment | null = null;
  private behind = true; // the playhead may be far from live, at a keyframe that is long past

  constructor(
    private readonly hls: Hls,
    { video, session, url, on, target, maxBuffer, quality }: RunOptions,
    private readonly leave: (hls: Hls) => void,
  ) {
    [this.video, this.session, this.on, this.target, this.maxBuffer] = [video, session, on, target, maxBuffer];
    this.wish = quality;
    target.reset();
    this.liveFrom = session.joinedAt?.issued ?? 0;
    hls.stopLoad();
    this.restore = configure(hls, this.settings());
    this.listen();
    this.stalls = new Stalls(video, this.listeners.signal, { dry: (now) => target.stalled(now / 1000), stalled: (ms) => on.stalled(ms) });
    if (hls.media !== video) hls.attachMedia(video);
    hls.loadSource(url);
    this.timer = window.setInterval(() => this.tick(), tickMs);
  }

  destroy(): void {
    clearInterval(this.timer);
    this.listeners.abort();
    for (const off of this.deaf) off();
    this.leave(this.hls);
    this.restore();
    this.video.playbackRate = 1;
  }

  private settings(): Partial<HlsConfig> {
    const { session, on } = this;
    return {
      lowLatencyMode: true,
      liveSyncDuration: startBehind,
      liveMaxLatencyDuration: 30, // a join may begin at a keyframe that is long past
      liveDurationInfinity: true,
      liveSyncOnStallIncrease: 0,
      maxLiveSyncPlaybackRate: 1, // steer() sets the speed
      backBufferLength: maxBehind,
      maxBufferLength: maxAhead, // from that keyframe to live
      testBandwidth: false,
      // It forgets by the time that media takes to come, and counts 50 ms at least: a piece of 200 ms weighs a quarter of
      // what it plays. So these are 9 and 3 s of play, as it has for segments.
      abrEwmaSlowLive: 2.25,
      abrEwmaFastLive: 0.75,
      enableWorker: false, // fMP4 needs no transmuxing, and hls.js makes its worker of a blob, which the page allows not
      pLoader: playlistLoader(session, startBehind, () => this.hls.levels) as never,
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
    };
  }

  private listen(): void {
    const { hls, on } = this;
    const { Events, ErrorDetails, ErrorTypes } = classOf(hls);
    const hear: Hls["on"] = (event, then) => {
      hls.on(event, then);
      this.deaf.push(() => hls.off(event, then));
    };
    hear(Events.MANIFEST_PARSED, () => {
      // With what the session asked for before hls.js did.
      const first = hls.levels.findIndex((l) => reload(l.uri)?.r === this.session.playedRendition);
      if (first >= 0) hls.startLevel = first;
    });
    hear(Events.FRAG_LOADING, (_, data) => (this.loading = data.frag));
    hear(Events.LEVEL_SWITCHING, (_, { uri }) => {
      const r = reload(uri)?.r;
      if (r) this.liveFrom = Math.max(this.liveFrom, this.session.follow(r));
    });
    hear(Events.FRAG_BUFFERED, (_, data) => this.buffered(data.frag as Fragment, data.part));
    hear(Events.DESTROYING, () => on.failed(new Error("the page ended its hls.js")));
    hear(Events.ERROR, (_, data) => {
      if (data.details === ErrorDetails.LEVEL_EMPTY_ERROR) return on.empty();
      if (data.type === ErrorTypes.NETWORK_ERROR) {
        if (data.fatal) this.haltedAt = performance.now();
        return on.trouble();
      }
      if (!data.fatal) return;
      if (data.type === ErrorTypes.MEDIA_ERROR && this.stalls.playedOnce) return hls.recoverMediaError();
      on.failed(data.error);
    });
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

  chosen(): string | null {
    return this.wish ?? (gone(this.hls) ? null : renditionOf(this.hls, this.hls.manualLevel));
  }

  choose(rendition: string | null): void {
    this.wish = rendition;
    if (rendition === null) this.hls.loadLevel = -1;
    else this.keepToWish();
  }

  /** Keeps to the rendition that is wished for, if it is there. From then on hls.js knows, which gives up what cannot be had. */
  private keepToWish(): void {
    const level = this.wish === null ? -1 : levelOf(this.hls, this.wish);
    if (level < 0) return;
    this.wish = null;
    this.hls.loadLevel = level;
  }

  /** Tells hls.js of renditions that came since it began. */
  private gain(): void {
    if (this.session.size === this.offered) return;
    this.offered = this.session.size;
    addLevels(this.hls, this.session.offers(), this.loading);
    this.keepToWish();
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
    const live = part !== null && entry.issued > this.liveFrom;
    if (live && this.stalls.playedOnce && entry.epoch === this.epoch) this.target.arrived(performance.now() / 1000, start);
  }

  /** Holds what is buffered to as many bytes as may be, half of them behind the playhead. */
  private bound(): void {
    const seconds = (4 * this.maxBuffer) / this.bitrate();
    this.hls.config.backBufferLength = Math.min(maxBehind, seconds);
    this.hls.config.maxBufferLength = Math.max(minAhead, Math.min(maxAhead, seconds));
  }

  private tick(): void {
    const { video } = this;
    this.session.idle = video.paused && this.stalls.playedOnce;
    if (this.haltedAt > 0 && performance.now() - this.haltedAt > haltMs) {
      this.haltedAt = 0;
      this.hls.startLoad();
    }
    if (Number.isFinite(this.maxBuffer) && this.marks.length > 0) this.bound();
    if (!this.stalls.playedOnce && video.readyState < 3) {
      const begin = pastGap(this.bufferedFrom(), this.bufferedEnd(), video.currentTime, startBehind);
      if (begin !== null) video.currentTime = begin;
    }
    this.unstick(performance.now());
    if (video.paused || video.seeking || video.readyState < 3) return;
    if (this.stalls.playedOnce) {
      this.catchUp();
      this.gain();
    }
    const playing = this.playing();
    if (playing) this.session.played(playing.entry, playing.into);
    const now = performance.now() / 1000;
    this.target.shared = this.session.fed();
    const lag = this.target.lag(now);
    if (lag === null) return;
    const off = now - video.currentTime - lag;
    if (off > farBehind && this.ahead() < off && now > this.jumpedAt + jumpEvery) {
      this.jumpedAt = now;
      return this.toLive();
    }
    const { rate, skip } = steer(off, video.playbackRate, this.ahead());
    if (skip > 0) video.currentTime += skip;
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }

  /** Goes on where a picture stays dry: behind what it missed, or, where a request hangs or hls.js waits for what is here, by asking anew. */
  private unstick(now: number): void {
    const { video, hls } = this;
    if (video.paused || video.readyState >= 3 || !this.stalls.playedOnce || !hls.loadingEnabled) this.flowedAt = now;
    if (now < this.flowedAt + stuckMs || now < this.unstuckAt + unstickEveryMs) return;
    const key = hls.latestLevelDetails?.partList?.findLast((p) => p.independent)?.start ?? 0;
    const last = this.marks.at(-1)?.entry;
    if (key - Math.max(this.bufferedEnd(), video.currentTime) > missed) {
      hls.stopLoad();
      video.currentTime = key + 0.01; // past it, so that rounding does not put it into the segment before
    } else if (!last || !this.session.isBeyond(last)) return;
    this.unstuckAt = now;
    hls.startLoad(video.currentTime);
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
}

function policy(retries: number) {
  const retry = { maxNumRetry: retries, retryDelayMs: 200, maxRetryDelayMs: 1_000 };
  return { default: { maxTimeToFirstByteMs: 8_000, maxLoadTimeMs: 12_000, timeoutRetry: retry, errorRetry: retry } };
}
