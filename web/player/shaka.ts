// @shoal/player/shaka: plays by Shaka Player, which lets others serve an address scheme. Playlists and media of shoal:
// addresses come from a Session, so that Shaka, too, only ever sees verified bytes.
import type shakaLibrary from "shaka-player";
import { HttpError } from "./origin.ts";
import { playlist, reload } from "./playlists.ts";
import type { Run, RunEvents, Runner, RunOptions } from "./runs.ts";
import type { Session } from "./session.ts";
import { wanted } from "./source.ts";
import { Stalls } from "./stalls.ts";

export type ShakaLibrary = typeof shakaLibrary;
export type ShakaPlayer = InstanceType<ShakaLibrary["Player"]>;

const scheme = "shoal";
const tickMs = 100;
/** Seconds between the end of the playlist and where Shaka lets the playhead go, and how far behind that it is steered to. */
const hold = 0.3;
const behind = 0.3;
const late = 1; // seconds beyond that, of media that is here: they are skipped

/** What requests are answered from, by the host of their addresses. */
const open = new Map<string, { session: Session; base: string; on: RunEvents }>();
let runs = 0;

/**
 * Plays by a Shaka player of the page's own: new Player(video, { link, runner: shakaRunner(shaka, player) }). It is set up
 * for live, and back as it was when playing ends. `shaka` is the library as it is loaded.
 */
export function shakaRunner(shaka: ShakaLibrary, player: ShakaPlayer): Runner {
  return {
    ready: async () => shaka.net.NetworkingEngine.registerScheme(scheme, (uri, request) => answer(shaka, uri, request)),
    unsupported: () => (shaka.Player.isBrowserSupported() ? "" : "This browser has no Media Source Extensions."),
    run: (o) => new ShakaRun(shaka, player, o),
  };
}

type Operation = ReturnType<Parameters<ShakaLibrary["net"]["NetworkingEngine"]["registerScheme"]>[1]>;
type Request = Parameters<Parameters<ShakaLibrary["net"]["NetworkingEngine"]["registerScheme"]>[1]>[1];

function answer(shaka: ShakaLibrary, uri: string, request: Request): Operation {
  const stop = new AbortController();
  const { Severity, Category, Code } = shaka.util.Error;
  const asked = async () => {
    try {
      const { bytes, type } = await load(uri, stop.signal);
      return { uri, originalUri: uri, data: bytes, headers: { "content-type": type }, originalRequest: request };
    } catch (err) {
      const status = err instanceof HttpError ? err.status : 0;
      if (stop.signal.aborted) throw new shaka.util.Error(Severity.RECOVERABLE, Category.PLAYER, Code.OPERATION_ABORTED);
      throw new shaka.util.Error(Severity.RECOVERABLE, Category.NETWORK, Code.BAD_HTTP_STATUS, uri, status, (err as Error).message, {}, 0, uri);
    }
  };
  return new shaka.util.AbortableOperation(asked(), async () => stop.abort()) as Operation;
}

/** What a shoal: address names. */
async function load(uri: string, signal: AbortSignal): Promise<{ bytes: Uint8Array<ArrayBuffer>; type: string }> {
  const { host, pathname, search } = new URL(uri);
  const run = open.get(host);
  if (!run) throw new Error("what was played there has ended");
  const { session, on } = run;
  const url = new URL(pathname + search, run.base).href;
  const what = wanted(url);
  if (!what) {
    const ask = reload(url);
    if (ask?.msn === null) session.follow(ask.r);
    const text = await playlist(session, ask, AbortSignal.any([signal, AbortSignal.timeout(8_000)]));
    return { bytes: new TextEncoder().encode(text), type: "application/vnd.apple.mpegurl" };
  }
  if (what.kind !== "init") session.follow(what.r);
  try {
    const got = await session.get(url, what, signal);
    if (got.entries.length > 0 && open.get(host) === run) on.piece(got.entries);
    return { bytes: got.bytes, type: "video/mp4" };
  } catch (err) {
    if (!signal.aborted && !(err instanceof HttpError || err instanceof TypeError)) on.failed(err);
    throw err;
  }
}

class ShakaRun implements Run {
  private readonly host = `run${++runs}`;
  private readonly before: ReturnType<ShakaPlayer["getConfiguration"]>;
  private readonly listeners = new AbortController();
  private readonly stalls: Stalls;
  private readonly timer: number;
  private over = false;

  constructor(
    private readonly shaka: ShakaLibrary,
    private readonly player: ShakaPlayer,
    private readonly o: RunOptions,
  ) {
    const { session, video, on, url } = o;
    const { origin, pathname } = new URL(url);
    open.set(this.host, { session, on, base: origin });
    this.stalls = new Stalls(video, this.listeners.signal, { dry: () => undefined, stalled: (ms) => on.stalled(ms) });
    this.before = player.getConfiguration();
    player.configure({
      manifest: {
        ...{ defaultPresentationDelay: hold, availabilityWindowOverride: 30 },
        // It would look for captions in the segment that is not whole yet, which has no address.
        hls: { disableClosedCaptionsDetection: true },
      },
      streaming: {
        ...{ lowLatencyMode: true, rebufferingGoal: 0.01, bufferingGoal: 15, bufferBehind: 20 },
        liveSync: { enabled: true, targetLatency: behind, targetLatencyTolerance: 0.15, maxPlaybackRate: 1.1, minPlaybackRate: 0.95 },
      },
    });
    player.addEventListener("error", this.erred);
    this.timer = window.setInterval(() => this.tick(), tickMs);
    void this.begin(`${scheme}://${this.host}${pathname}`);
  }

  destroy(): void {
    this.over = true;
    clearInterval(this.timer);
    this.listeners.abort();
    this.player.removeEventListener("error", this.erred);
    open.delete(this.host);
    void this.player.unload().catch(() => undefined);
    this.player.configure(this.before);
  }

  playing(): ReturnType<Run["playing"]> {
    const { session } = this.o;
    const date = this.player.getPlayheadTimeAsDate()?.getTime();
    const entry = date === undefined ? undefined : session.listing(session.playedRendition)?.at(date);
    return entry ? { entry, into: (date! - entry.at) / 1000 } : null;
  }

  toLive(): void {
    this.player.goToLive();
  }

  ahead(): number {
    const { buffered, currentTime } = this.o.video;
    return buffered.length > 0 ? Math.max(0, buffered.end(buffered.length - 1) - currentTime) : 0;
  }

  bitrate(): number {
    const { session } = this.o;
    return session.listing(session.playedRendition)?.bitrate() ?? 0;
  }

  chosen(): string | null {
    return this.player.getConfiguration().abr.enabled ? null : this.o.session.playedRendition;
  }

  choose(rendition: string | null): void {
    this.player.configure("abr.enabled", rendition === null);
    const track = this.player.getVariantTracks().find((t) => t.originalVideoId !== null && reload(new URL(t.originalVideoId, "http://x").href)?.r === rendition);
    if (track) this.player.selectVariantTrack(track);
  }

  private async begin(uri: string): Promise<void> {
    const { player, o } = this;
    const { session, video, on } = o;
    if (!session.listing(session.playedRendition)?.hasWhole()) return on.empty(); // Shaka starts with a whole segment
    try {
      if (player.getMediaElement() !== video) await player.attach(video);
      if (!this.over) await player.load(uri, null, "application/x-mpegurl");
      if (!this.over && o.quality !== null) this.choose(o.quality);
    } catch (err) {
      this.fail(err);
    }
  }

  private readonly erred = (e: Event) => this.fail((e as Event & { detail: unknown }).detail);

  private fail(err: unknown): void {
    if (this.over) return;
    const { Category, Severity, Code } = this.shaka.util.Error;
    const { category, severity, code } = err as InstanceType<ShakaLibrary["util"]["Error"]>;
    if (code === Code.LOAD_INTERRUPTED) return;
    if (category === Category.NETWORK) this.o.on.trouble();
    else if (severity === Severity.CRITICAL) this.o.on.failed(new Error(`Shaka error ${code}`));
  }

  private tick(): void {
    const { video, session } = this.o;
    session.idle = video.paused && this.stalls.playedOnce;
    if (video.paused || video.seeking || !this.stalls.playedOnce) return;
    // By its speed alone it would take a minute to make good what a slow start cost.
    if (this.ahead() > hold + behind + late) video.currentTime += this.ahead() - hold - behind;
    const playing = this.playing();
    if (playing) session.played(playing.entry, playing.into);
  }
}
