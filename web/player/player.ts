// The player of one stream: it waits for the stream to be live, proves it, plays it,
// and says at any moment what state it is in. A page only draws what it says.
import { type Clock, askClock, refine } from "./clock.ts";
import { type Allowed, allowed, type Mode, type Policy } from "./consent.ts";
import { type Entry, order, type Position, timescale } from "./documents.ts";
import { Histogram } from "./histogram.ts";
import { Target } from "./live.ts";
import { Load } from "./load.ts";
import { Lookout } from "./lookout.ts";
import { Meter } from "./meter.ts";
import { faultOf, offered, remembered } from "./offer.ts";
import { HttpError, isDown, isTimeout, type Manifest, Origin, type Query } from "./origin.ts";
import { type LinkOptions, optionsOf, type PlayerOptions } from "./options.ts";
import { hlsRunner } from "./playback.ts";
import { bestFirst, playable, type Quality } from "./qualities.ts";
import { type Fault, type Findings, judge, type Verdict } from "./provenance.ts";
import type { Moment, State } from "./moment.ts";
import type { Run, Runner } from "./runs.ts";
import { Source } from "./source.ts";
import { Session } from "./session.ts";
import { engine } from "./signatures.ts";
import { Nap, sleep } from "./sleep.ts";
import { none as noCounts, sum, type SwarmCounts } from "./swarmcounts.ts";
import { swarmView } from "./swarmview.ts";
import { Watch } from "./surroundings.ts";
import { deviceClass } from "./telemetry/deviceclass.ts";
import { privacyControl, telling } from "./telemetry/permission.ts";
import { Reporting } from "./telemetry/reporting.ts";
import { fingerprint } from "./trust.ts";
import { percentiles, type Stats } from "./stats.ts";
import type { SwarmView, Telling, View } from "./view.ts";

export type { Moment, State } from "./moment.ts";
const nothing: Policy = { consent: "edge", sensitive: false, relay: false }; // until the manifest is here

const pollMs = 1_000;
const emptyMs = 250; // between looks at a playlist that has nothing yet
const joinMs = 1_500; // after which the swarm is joined without a picture
const sampleMs = 100;
const refineMs = 3_000; // after the first picture, when starting is over
const aloneMs = 10_000; // for so long the swarm may bring nothing new while the origin does not answer

export class Player extends EventTarget {
  private state: State = "loading";
  private fault: Fault | null = null;
  private detail = "";
  private source: Source | null = null;
  private session: Session | null = null;
  private playback: Run | null = null;
  private clock: Clock | null = null;
  private readonly origin: Origin;
  private readonly target = new Target();
  private readonly meter = new Meter();
  private readonly watch = new Watch(() => this.permitted());
  private manifest: Manifest | null = null;
  private readonly load = new Load();
  private busy = false; // too much so for the swarm
  private readonly delays = new Histogram();
  private readonly behind = new Histogram();
  private readonly startedAt = performance.now();
  private before: SwarmCounts = noCounts; // in sessions that ended
  private playedFrom = 0;
  private written = 0; // ticks
  private verified = 0;
  private rejectedBefore = 0;
  private stalls = 0;
  private stalledMs = 0;
  private firstFrameMs: number | null = null;
  private began = 0; // performance.now() zero of firstFrameMs
  private key: string | null = null;
  private endedAt: Position | null = null;
  private vanished = false; // while it ran
  private wish: string | null = null; // the rendition to keep to
  private running: AbortController | null = null;
  private readonly nap = new Nap();
  private readonly listeners = new AbortController();
  private readonly sampler: number;
  private readonly options: PlayerOptions;
  private readonly runner: Runner;
  private readonly reporting: Reporting;

  /** Plays in `video` the stream of a link. Throws a TypeError where that is none. */
  constructor(
    private readonly video: HTMLVideoElement,
    options: LinkOptions | PlayerOptions,
  ) {
    super();
    this.options = "link" in options ? optionsOf(options) : options;
    const { base, name, hls, runner } = this.options;
    this.origin = new Origin(base, name);
    this.runner = runner ?? hlsRunner(hls);
    this.reporting = new Reporting({ url: this.origin.telemetry, wire: () => this.session?.wire ?? null, read: () => this.reading() });
    const listen = (name: string, then: () => void) => video.addEventListener(name, then, { signal: this.listeners.signal });
    this.sampler = window.setInterval(() => this.sample(), sampleMs);
    document.addEventListener("visibilitychange", () => this.session?.hide(document.hidden), { signal: this.listeners.signal });
    addEventListener("online", () => this.session?.swarming?.networkChanged(), { signal: this.listeners.signal });
    addEventListener("pagehide", () => this.vanish(), { signal: this.listeners.signal });
    addEventListener("pageshow", (e) => e.persisted && this.vanished && this.start(), { signal: this.listeners.signal });
    listen("playing", () => this.playback && this.set("playing"));
    listen("pause", () => this.playback && !video.ended && this.set("paused"));
    // A browser that lets nothing start by itself tells no event of it: what could play and does not, waits for the viewer.
    listen("canplay", () => setTimeout(() => this.playback && video.paused && this.state === "starting" && this.set("paused")));
  }

  /** Starts, or starts over after something broke. */
  start(): void {
    this.stop();
    this.fault = null;
    this.detail = "";
    const running = new AbortController();
    this.running = running;
    this.set("loading");
    void this.run(running.signal);
  }

  stop(): void {
    this.reporting.end(performance.now());
    this.running?.abort();
    this.leave();
    if (this.source) this.rejectedBefore += this.source.rejected;
    this.source?.close();
    this.source = null;
  }

  /** The page goes away, and may come back from the back/forward cache: browsers keep only those that have no connection. */
  private vanish(): void {
    this.vanished = this.running !== null && !this.running.signal.aborted;
    this.session?.swarming?.end();
    this.stop();
  }

  /** Takes the key that now signs the stream as the one to expect, because the viewer says so. */
  async trustNewKey(): Promise<void> {
    if (this.fault?.kind !== "key-changed" || !this.source) return;
    this.options.pins.set(this.options.name, { id: this.source.trust.id, fingerprint: await fingerprint(this.source.trust.rootKey) });
    this.start();
  }

  /** Ends for good: start() may not be called again. */
  destroy(): void {
    this.stop();
    this.watch.stop();
    clearInterval(this.sampler);
    this.listeners.abort();
  }

  toLive(): void {
    this.playback?.toLive();
  }

  /** The renditions that there are now and that this browser can decode, the best first; "change" is dispatched when it changes. Empty while nothing plays. */
  get qualities(): Quality[] {
    const here = (this.session?.offers() ?? []).filter((o) => playable(o.codecs));
    return here.map(({ rendition, width, height, bitrate }) => ({ rendition, width, height, bitrate })).sort(bestFirst);
  }

  /**
   * The name of the rendition that is kept to, one of `qualities`; null, as it begins, where the player takes the one that
   * suits the network. Remembered as long as this player; while the rendition cannot be had, another is played.
   */
  get quality(): string | null {
    return this.playback ? this.playback.chosen() : this.wish;
  }
  set quality(rendition: string | null) {
    this.wish = rendition;
    this.playback?.choose(rendition);
    this.changed();
  }

  /** The viewer chooses how far to take part; it is remembered for this server. */
  choose(mode: Mode): void {
    this.options.choices.set({ ...this.options.choices.get(), mode });
    this.permitted();
  }

  /** The viewer sets the most to upload, in bit/s; 0 sets no cap. */
  setUpCap(bits: number): void {
    this.options.choices.set({ ...this.options.choices.get(), upCap: bits });
    this.permitted();
  }

  /** The viewer says whether it may be told how this plays. */
  setTelling(yes: boolean): void {
    const { quiet: _, ...choice } = this.options.choices.get();
    this.options.choices.set(yes ? choice : { ...choice, quiet: true });
    this.report();
    this.changed();
  }

  /** What may be done for the swarm now; "change" is dispatched when it changes. */
  allowed(): Allowed {
    return allowed(this.manifest?.policy ?? nothing, this.options.choices.get(), this.watch.now(), this.options.embedder);
  }

  verdict(): Verdict {
    return judge(this.findings());
  }

  get faultFound(): Fault | null {
    return this.fault;
  }

  private counted(): SwarmCounts {
    return sum(this.before, this.session?.counted() ?? noCounts);
  }

  /** What the session adds up to, as `shoal watch` reports it. */
  stats(): Stats {
    const { delayMs, bufferMs, provenance } = this.moment();
    const swarm = this.swarmView();
    const counts = this.counted();
    return {
      t: (performance.now() - this.startedAt) / 1000,
      state: this.state === "offline" ? "offline" : provenance,
      written_ms: Math.trunc((this.written / timescale) * 1000),
      delay_now_ms: Math.round(delayMs ?? 0),
      buffer_ms: Math.round(bufferMs),
      behind_ms: percentiles(this.behind),
      upload: this.meter.uploaded,
      up: swarm.up,
      pieces_verified: this.verified,
      pieces_rejected: this.rejectedBefore + (this.source?.rejected ?? 0),
      blocks_rejected: counts.rejected,
      bytes: { ...this.meter.total },
      bytes_duplicate: counts.duplicate,
      delay_ms: percentiles(this.delays),
      stalls: this.stalls,
      stalled_ms: Math.round(this.stalledMs),
      peers: swarm.peers.length,
    };
  }

  /** What is played now. */
  moment(): Moment {
    const playing = this.playback?.playing() ?? null;
    const info = this.manifest && (this.manifest.renditions.get(playing?.entry.r ?? "") ?? [...this.manifest.renditions.values()][0]);
    const now = performance.now() / 1000;
    const lag = this.target.lag(now);
    const delayMs = playing && this.clock ? this.clock.now() - (playing.entry.at + playing.into * 1000) : null;
    return {
      state: this.state,
      provenance: this.verdict().state,
      delayMs,
      piecesVerified: this.verified,
      piecesRejected: this.rejectedBefore + (this.source?.rejected ?? 0),
      stalls: this.stalls,
      stalledMs: this.stalledMs,
      firstFrameMs: this.firstFrameMs,
      streamId: this.source?.trust.id ?? null,
      key: this.key,
      engine: engine(),
      width: this.video.videoWidth || (info?.width ?? 0),
      height: this.video.videoHeight || (info?.height ?? 0),
      bitrate: this.playback?.bitrate() ?? 0,
      codecs: info?.codecs ?? "",
      bufferMs: (this.playback?.ahead() ?? 0) * 1000,
      targetMs: lag === null || delayMs === null ? null : delayMs + (lag - (now - this.video.currentTime)) * 1000,
      jitterMs: this.target.jitter() * 1000,
      epoch: playing?.entry.epoch ?? null,
      n: playing?.entry.n ?? null,
      detail: this.detail,
    };
  }

  /** All that a page draws. */
  view(): View {
    const { mode, limit, ask, most } = this.allowed();
    const choice = this.options.choices.get();
    return {
      ...this.moment(),
      ...(this.manifest?.policy ?? nothing),
      ...{ mode, limit, ask, most, chosen: choice.mode, upCap: choice.upCap },
      ...{ qualities: this.qualities, quality: this.quality },
      swarm: this.swarmView(),
      telemetry: this.telling(),
    };
  }

  private telling(): Telling {
    return telling({
      operator: this.manifest?.telemetry ?? false,
      embedder: this.options.telemetry ?? true,
      viewer: this.options.choices.get().quiet !== true,
      privacyControl: privacyControl(),
    });
  }

  /** Looks whether there is something to report. What a visit is of is known once it plays. */
  private report(): void {
    const { state, session, source } = this;
    const { seeking, currentTime: position, playbackRate: rate } = this.video;
    const [starting, wanted] = [state === "starting", session !== null && !seeking && (state === "starting" || state === "playing")];
    const of = source && (session || this.reporting.begun) && this.telling() === "on" ? { stream: source.trust.id, class: deviceClass(navigator) } : null;
    this.reporting.look({ now: performance.now(), state, starting, wanted, seeking, position, rate }, of);
  }

  /** What reports are made of. */
  private reading() {
    const { session, video } = this;
    const { peers, minute } = this.swarmView();
    return {
      ...{ time: this.clock?.now() ?? 0, stats: this.stats(), moment: this.moment(), peers, minute, allowed: this.allowed() },
      ...{ swaps: this.counted().swaps, dropped: video.getVideoPlaybackQuality?.().droppedVideoFrames ?? 0 },
      ...{ top: session?.topBitrate() ?? 0, rendition: session?.playedRendition ?? "", hidden: document.hidden },
    };
  }

  /** Takes note of when a verified piece came, if it came live. */
  private came(e: Entry): void {
    const joined = this.session?.joinedAt;
    if (!this.clock || !joined || e.issued <= joined.issued) return;
    const { paused, seeking, playbackRate } = this.video;
    const at = paused || seeking ? null : this.playback?.playing();
    const due = at?.entry.epoch === e.epoch ? (1000 * ((e.pts - at.entry.pts) / timescale - at.into)) / playbackRate : null;
    this.reporting.arrived(e.issued - e.at, this.clock.now() - e.issued, due);
  }

  private swarmView(): SwarmView {
    return swarmView(this.session?.swarming ?? null, this.busy, this.meter);
  }

  private findings(): Findings {
    const newest = this.source?.newest()?.entry;
    const shown = this.state === "playing" || this.state === "paused" || this.state === "starting";
    return {
      idInLink: this.options.wantedId !== null,
      piecesVerified: this.verified,
      fault: this.fault,
      ageMs: shown && newest && this.clock ? this.clock.now() - newest.issued : null,
      freshMs: this.source?.freshMs ?? 0,
    };
  }

  /** Takes part in the swarm as far as is allowed now. The picture comes first: nobody is connected to before it is there. */
  private adapt(): void {
    const { session } = this;
    if (!session || (this.firstFrameMs === null && performance.now() - this.playedFrom < joinMs)) return;
    const { mode, relayOnly, up } = this.allowed();
    const may = mode !== "edge" || relayOnly;
    this.busy = may && !this.load.allows(performance.now(), session.swarming !== null);
    session.take(may && !this.busy ? { up, relayOnly } : null);
  }

  private async run(signal: AbortSignal): Promise<void> {
    let pause = pollMs;
    while (!signal.aborted) {
      try {
        const [manifest] = await Promise.all([this.origin.manifest(undefined, signal), this.setClock(signal), this.runner.ready()]);
        pause = pollMs;
        if (!(await this.prove(manifest))) return;
        if (this.playable(manifest)) await this.play(signal);
        else await this.waitForLive(manifest, signal);
      } catch (err) {
        if (signal.aborted) return;
        if (this.blame(err)) return;
        if (err instanceof HttpError && err.status === 404) this.set("unknown");
        else if (this.state !== "offline" || !(err instanceof HttpError)) this.set("unreachable");
        await sleep(pause, signal);
        pause = Math.min(5_000, pause * 1.5);
      }
    }
  }

  private async setClock(signal: AbortSignal): Promise<void> {
    this.clock ??= await askClock(() => this.origin.time(signal));
  }

  /** Asks for the time again, now that there is less to do. */
  private refineClock(): void {
    const { clock } = this;
    if (clock && this.session) void refine(clock, () => this.origin.time()).then((c) => this.clock === clock && (this.clock = c), () => undefined);
  }

  /** A stream is worth starting once an entry of it can be had, newer than where it stopped before. */
  private playable(m: Manifest): boolean {
    const newest = this.source?.newest()?.entry;
    return m.live && !!newest && !(this.endedAt && order(this.endedAt, newest) >= 0);
  }

  /** Verifies who offers the stream; false when it may not be played. */
  private async prove(m: Manifest): Promise<boolean> {
    this.manifest = m;
    this.source ??= await Source.begin(this.origin, m, this.meter);
    const { trust } = this.source;
    let offer = await offered(trust, this.options);
    if (!offer.fault) {
      await this.source.learn(m, "edge");
      offer = await remembered(trust, this.options);
    }
    this.key = offer.key;
    if (offer.fault) this.break(offer.fault);
    return !offer.fault;
  }

  /** Returns when the stream may have gone live. */
  private async waitForLive(m: Manifest, signal: AbortSignal): Promise<void> {
    this.set(m.live ? "starting" : "offline");
    const since = performance.now();
    const newest = this.source?.newest()?.entry;
    if (newest) {
      if (!m.live) this.endedAt = { epoch: newest.epoch, n: newest.n };
      // Held by the origin until something happens, so that the page starts at once.
      const next = await this.origin.manifest({ r: newest.r, after: newest }, signal);
      this.began = performance.now();
      if (next.live && !m.live) return;
    }
    const wait = (m.live ? 100 : pollMs) - (performance.now() - since);
    if (wait > 0) await sleep(wait, signal);
    this.began = performance.now();
  }

  /** Plays until the stream ends or the player must start over. */
  private async play(signal: AbortSignal): Promise<void> {
    const lack = this.runner.unsupported();
    if (lack) {
      this.detail = lack;
      this.set("unplayable");
      this.running?.abort();
      return;
    }
    const source = this.source!;
    if (this.state !== "unplayable") this.set("starting"); // or its card would come and go
    this.noteFirstFrame();
    const lookout = new Lookout(performance.now());
    let empty = false;
    let rejoin = false;
    let failure: unknown = null;
    const trouble = () => {
      lookout.trouble();
      this.nap.wake();
    };
    const failed = (err: unknown) => {
      failure = err;
      this.nap.wake();
    };
    const { maxBuffer } = this.options;
    this.playedFrom = performance.now();
    this.session = new Session(
      { origin: this.origin, source, manifest: this.manifest!, meter: this.meter, ...(maxBuffer === undefined ? {} : { maxBytes: maxBuffer / 2 }) },
      { trouble, failed, came: (entry) => this.came(entry), answered: (good) => this.reporting.answered(good, performance.now()) },
    );
    this.report(); // before anything comes
    if (document.hidden) this.session.hide(true);
    this.playback = this.runner.run({
      ...{ video: this.video, session: this.session, url: this.origin.url("index.m3u8"), target: this.target, quality: this.wish },
      maxBuffer: maxBuffer === undefined ? Number.POSITIVE_INFINITY : maxBuffer / 2,
      on: {
        piece: (entries) => {
          this.note(entries);
          if (this.verified === entries.length) this.changed();
        },
        stalled: (ms) => {
          this.stalls++;
          this.stalledMs += ms;
        },
        failed,
        trouble,
        empty: () => {
          empty = true;
          this.nap.wake();
        },
        rejoin: () => {
          rejoin = true;
          this.nap.wake();
        },
      },
    });
    try {
      while (!signal.aborted) {
        await this.nap.rest(500, signal);
        this.adapt();
        if (failure) throw failure;
        if (lookout.policyDue(performance.now())) void this.policyChanged(signal).then((yes) => yes && trouble(), () => undefined);
        if (lookout.offersDue(performance.now())) {
          void this.origin.offered(signal).then((all) => all.some((r) => this.session?.has(r) === false) && trouble(), () => undefined);
        }
        if (rejoin) {
          rejoin = false;
          // While the origin is down, what others bring is better than nothing.
          if (await this.origin.time(signal).catch(() => null)) return;
          continue;
        }
        if (empty) {
          await sleep(emptyMs, signal);
          return;
        }
        const age = () => this.clock!.now() - (source.newest()?.entry.issued ?? 0);
        if (lookout.slept(performance.now(), age())) this.clock = await askClock(() => this.origin.time(signal)).catch(() => this.clock);
        const due = lookout.due(performance.now(), age());
        if (!due) continue;
        let m: Manifest;
        try {
          m = await this.origin.manifest(due === "whole" ? undefined : this.newestOnly(), signal);
        } catch (err) {
          // Nobody misses the origin as long as others bring what is new.
          if (!isDown(err) || !this.session.fed() || age() > aloneMs) throw err;
          continue;
        }
        if (due === "whole") {
          this.manifest = m;
          if (this.session.renew(m)) this.changed();
          lookout.renewed(performance.now());
        }
        await source.learn(m, "edge");
        if (!m.live) return;
      }
    } catch (err) {
      if (signal.aborted || this.blame(err)) return;
      if (err instanceof HttpError || err instanceof TypeError || isTimeout(err)) throw err;
      this.detail = (err as Error).message;
      this.set("unplayable");
      await sleep(3_000, signal); // a new epoch may bring something playable
    } finally {
      this.leave();
    }
  }

  /** Asks whether the operator allows something else by now, in as few bytes as there can be. */
  private async policyChanged(signal: AbortSignal): Promise<boolean> {
    const query = this.newestOnly();
    if (!query || !this.manifest) return false;
    const { policy } = await this.origin.manifest(query, signal);
    return policy.sensitive !== this.manifest.policy.sensitive;
  }

  /** Asks for a manifest with the newest entry alone, the smallest that there can be. */
  private newestOnly(): Query | undefined {
    const newest = this.source?.newest()?.entry;
    return newest && { r: newest.r, epoch: newest.epoch, from: newest.n, to: newest.n };
  }

  /** Takes note of verified pieces that go to the decoder. */
  private note(entries: Entry[]): void {
    this.verified += entries.length;
    const joined = this.session?.joinedAt;
    for (const e of entries) {
      this.written += e.dur;
      if (this.clock && joined && e.issued > joined.issued) this.behind.add(this.clock.now() - e.issued);
    }
  }

  private sample(): void {
    this.report();
    if (document.hidden) return this.load.skip();
    this.load.tick(performance.now(), sampleMs);
    if (this.state !== "playing") return;
    const { delayMs } = this.moment();
    if (delayMs !== null) this.delays.add(delayMs);
  }

  private leave(): void {
    this.before = this.counted();
    this.playback?.destroy();
    this.playback = null;
    this.session?.close();
    this.session = null;
  }

  /** Turns what proves deceit into a fault, and stops. */
  private blame(err: unknown): boolean {
    const fault = faultOf(err);
    if (fault) this.break(fault);
    return fault !== null;
  }

  private break(fault: Fault): void {
    this.fault = fault;
    if ("detail" in fault) this.detail = fault.detail;
    this.leave();
    this.running?.abort();
    this.set("broken");
  }

  private noteFirstFrame(): void {
    const note = () => {
      if (this.firstFrameMs !== null) return;
      this.firstFrameMs = performance.now() - this.began;
      this.permitted();
      setTimeout(() => this.refineClock(), refineMs);
    };
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(note);
    this.video.addEventListener("playing", () => !this.video.videoWidth && note(), { once: true });
  }

  private set(state: State): void {
    if (state === this.state) return;
    this.state = state;
    this.changed();
  }

  /** What is allowed may be something else now. */
  private permitted(): void {
    this.adapt();
    this.changed();
  }

  private changed(): void {
    this.dispatchEvent(new Event("change"));
  }
}
