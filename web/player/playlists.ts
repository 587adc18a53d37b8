// hls.js's way to playlists. The manifest already said what the multivariant playlist
// would, and the first media playlist is on its way when hls.js asks for it, so that
// joining costs no round trips for them; later ones are fetched as usual. Every playlist
// is changed on its way so that hls.js starts where a picture can begin.
import Hls, { type Loader, type LoaderCallbacks, type LoaderConfiguration, type PlaylistLoaderContext } from "hls.js/light";
import type { RenditionInfo } from "./origin.ts";
import { freshStats } from "./loader.ts";

/** The multivariant playlist of what a manifest lists. hls.js only looks at its codecs and sizes. */
export function multivariant(renditions: Map<string, RenditionInfo>): string {
  const lines = ["#EXTM3U"];
  for (const [r, { codecs, width, height }] of renditions) {
    const attributes = ["BANDWIDTH=1"];
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

/** The origin's address for what hls.js asks for by its own numbers. */
export function asked(url: string): string {
  return url.replace(/([?&]_HLS_msn=)(\d+)/, (_, name, n) => `${name}${Math.max(0, Number(n) - shift)}`);
}

type Make = new (config: unknown) => Loader<PlaylistLoaderContext>;

/**
 * Makes the loader class for playlists: what is `known` for an address answers the first
 * request for it. hls.js begins `behind` seconds before the end of the first.
 */
export function playlistLoader(known: Map<string, Promise<string>>, behind: number): Make {
  let joined = false;
  const adapted = (text: string): string => {
    if (joined) return renumbered(text, shift);
    joined = text.includes("#EXTINF:");
    return joinable(text, behind);
  };
  return class PlaylistLoader extends (Hls.DefaultConfig.loader as unknown as Make) {
    private open = true;

    override load(context: PlaylistLoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<PlaylistLoaderContext>): void {
      const { url } = context;
      const text = known.get(url);
      known.delete(url);
      const fetch = () =>
        super.load(context, config, {
          ...callbacks,
          onSuccess: (response, ...rest) => callbacks.onSuccess({ ...response, data: adapted(String(response.data)) }, ...rest),
        });
      if (!text) return fetch();
      const stats = freshStats();
      stats.loading.start = performance.now();
      text.then(
        (data) => {
          if (!this.open) return;
          stats.loaded = stats.total = data.length;
          stats.loading.first = stats.loading.end = performance.now();
          callbacks.onSuccess({ url, data: adapted(data), code: 200 }, stats, context, null);
        },
        () => this.open && fetch(),
      );
    }

    override abort(): void {
      this.open = false;
      super.abort();
    }

    override destroy(): void {
      this.open = false;
      super.destroy();
    }
  };
}
