// hls.js's way to playlists. They are written here, from the entries that are known, and a request for one that is to
// come waits here: no server is asked for any. Every playlist is changed on its way so that hls.js starts where a
// picture can begin.
import type { Loader, LoaderCallbacks, LoaderConfiguration, PlaylistLoaderContext } from "hls.js";
import { freshStats } from "./loader.ts";
import type { Listing } from "./listing.ts";
import { HttpError, type RenditionInfo } from "./origin.ts";

/** The multivariant playlist of what a manifest lists, in its order; `bitrate` is what is measured of a rendition, in bit/s. */
export function multivariant(renditions: Map<string, RenditionInfo>, bitrate: (r: string) => number): string {
  const lines = ["#EXTM3U"];
  for (const [r, { codecs, width, height }] of renditions) {
    const attributes = [`BANDWIDTH=${Math.max(1, Math.round(bitrate(r)))}`];
    if (codecs) attributes.push(`CODECS="${codecs}"`);
    if (width > 0 && height > 0) attributes.push(`RESOLUTION=${width}x${height}`);
    lines.push(`#EXT-X-STREAM-INF:${attributes.join(",")}`, `${r}/index.m3u8`);
  }
  return `${lines.join("\n")}\n`;
}

/**
 * hls.js takes no playlist without a whole segment. A stream in its first seconds gets
 * one in front that is a gap, which needs a number below the first: so the numbers in
 * all playlists are one higher than the origin's, and those asked for one lower.
 */
const shift = 1;
const gapSeconds = 1;

/**
 * A media playlist as a joiner can start from it, `behind` seconds before its end: where
 * no keyframe begins the segment there, it says to start at the newest one that does.
 */
export function joinable(text: string, behind: number): string {
  const segments: { start: number; key: boolean }[] = [];
  let start = 0;
  let end = 0;
  let whole = 0;
  let fresh = true; // the next part is its segment's first
  for (const line of text.split("\n")) {
    if (line.startsWith("#EXT-X-PART:")) {
      if (fresh) segments.push({ start, key: line.includes("INDEPENDENT=YES") && !line.includes("GAP=YES") });
      fresh = false;
      end += Number(/DURATION=([\d.]+)/.exec(line)?.[1] ?? 0);
    } else if (line.startsWith("#EXTINF:")) {
      whole++;
      fresh = true;
      end = start += parseFloat(line.slice("#EXTINF:".length));
    }
  }
  const there = segments.findLastIndex((s) => s.start <= end - behind);
  let at = segments.slice(Math.max(0, there)).every((s) => s.key) ? null : (segments.findLast((s) => s.key)?.start ?? null);
  let front = "";
  const young = whole === 0 && segments.length > 0;
  if (young) {
    // With a part, or hls.js would not load the parts that follow.
    front = `#EXT-X-PART:DURATION=${gapSeconds},URI="gap.m4s",GAP=YES\n#EXT-X-GAP\n#EXTINF:${gapSeconds},\ngap.m4s\n`;
    at = gapSeconds;
  }
  // A little past the keyframe, so that rounding does not put it into the segment before.
  if (at !== null) front = `#EXT-X-START:TIME-OFFSET=${(at + 0.01).toFixed(3)}\n${front}`;
  return renumbered(text, young ? 0 : shift).replace(/^#EXT-X-DISCONTINUITY-SEQUENCE:.*\n/m, (l) => l + front);
}

function renumbered(text: string, by: number): string {
  return text.replace(/^#EXT-X-MEDIA-SEQUENCE:(\d+)/m, (_, n) => `#EXT-X-MEDIA-SEQUENCE:${Number(n) + by}`);
}

/**
 * The playlist that a switch begins with. hls.js lays it beside the one before by their dates if both have any; these say when
 * segments arrived, so they are not as far apart as the media is. Without, it goes by numbers, which all renditions share.
 */
export function undated(text: string): string {
  return text.replace(/^#EXT-X-PROGRAM-DATE-TIME:.*\n/gm, "");
}

/** What a request for a media playlist asks for. */
export interface Reload {
  r: string;
  /** Of a blocking request; null where it is none. */
  msn: number | null;
  /** Negative where a whole segment is waited for. */
  part: number;
  skip: boolean;
}

/** Reads the address of a request for a media playlist; null for any other. */
export function reload(url: string): Reload | null {
  const { pathname, searchParams: q } = new URL(url);
  const r = /\/live\/[^/]+\/([a-z][a-z0-9]{0,15})\/index\.m3u8$/.exec(pathname)?.[1];
  if (!r) return null;
  const msn = q.get("_HLS_msn");
  return { r, msn: msn === null ? null : Number(msn), part: Number(q.get("_HLS_part") ?? -1), skip: ["YES", "v2"].includes(q.get("_HLS_skip") ?? "") };
}

/** The playlist that a request asks for, once there is what it waits for. */
export async function playlist(lists: Lists, ask: Reload | null, signal: AbortSignal): Promise<string> {
  if (!ask) return lists.multivariant();
  const listing = lists.listing(ask.r);
  if (!listing) throw new HttpError(404, "the stream has no such rendition");
  await lists.current();
  listing.check();
  return ask.msn === null ? listing.text(ask.skip) : listing.wait(ask.msn, ask.part, ask.skip, signal);
}

export interface Lists {
  /** The multivariant playlist. */
  multivariant(): string;
  /** Resolves when the rendition that is played is listed as it is now. */
  current(): Promise<void>;
  listing(r: string): Listing | undefined;
}

type Make = new (config: unknown) => Loader<PlaylistLoaderContext>;

/**
 * Makes the loader class for playlists, which asks nobody. hls.js begins `behind` seconds before the end of the first. Its
 * levels may have got other numbers since it asked.
 */
export function playlistLoader(lists: Lists, behind: number, levels: () => readonly unknown[] = () => []): Make {
  let joined = false;
  const adapted = (text: string): string => {
    if (joined) return renumbered(text, shift);
    joined = text.includes("#EXTINF:");
    return joinable(text, behind);
  };
  const answer = async (url: string, signal: AbortSignal): Promise<string> => {
    const ask = reload(url);
    if (ask?.msn) ask.msn = Math.max(0, ask.msn - shift);
    const text = await playlist(lists, ask, signal);
    if (!ask) return text;
    return ask.msn === null && joined ? undated(adapted(text)) : adapted(text);
  };
  return class PlaylistLoader implements Loader<PlaylistLoaderContext> {
    context: PlaylistLoaderContext | null = null;
    stats = freshStats();
    private readonly abortion = new AbortController();

    load(context: PlaylistLoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<PlaylistLoaderContext>): void {
      const { url } = context;
      const { stats } = this;
      const { signal } = this.abortion;
      this.context = context;
      stats.loading.start = performance.now();
      const timeout = setTimeout(() => {
        this.abortion.abort();
        callbacks.onTimeout(stats, context, null);
      }, config.loadPolicy.maxLoadTimeMs);
      answer(url, signal)
        .then(
          (data) => {
            if (signal.aborted) return;
            stats.loaded = stats.total = data.length;
            stats.loading.first = stats.loading.end = performance.now();
            const level = levels().indexOf(context.levelOrTrack);
            if (level >= 0) context.level = level;
            callbacks.onSuccess({ url, data, code: 200 }, stats, context, null);
          },
          (err: unknown) => {
            if (signal.aborted) return;
            callbacks.onError({ code: err instanceof HttpError ? err.status : 0, text: (err as Error).message }, context, null, stats);
          },
        )
        .finally(() => clearTimeout(timeout));
    }

    abort(): void {
      this.abortion.abort();
    }

    destroy(): void {
      this.abortion.abort();
    }

    getCacheAge(): number | null {
      return null;
    }

    getResponseHeader(): string | null {
      return null;
    }
  };
}
