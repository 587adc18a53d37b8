// hls.js's way to playlists. The manifest already said what the multivariant playlist
// would, and the first media playlist is on its way when hls.js asks for it, so that
// joining costs no round trips for them; later ones are fetched as usual.
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

type Make = new (config: unknown) => Loader<PlaylistLoaderContext>;

/** Makes the loader class for playlists: what is `known` for an address answers the first request for it. */
export function playlistLoader(known: Map<string, Promise<string>>): Make {
  return class PlaylistLoader extends (Hls.DefaultConfig.loader as unknown as Make) {
    private open = true;

    override load(context: PlaylistLoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<PlaylistLoaderContext>): void {
      const { url } = context;
      const text = known.get(url);
      known.delete(url);
      if (!text) return super.load(context, config, callbacks);
      const stats = freshStats();
      stats.loading.start = performance.now();
      text.then(
        (data) => {
          if (!this.open) return;
          stats.loaded = stats.total = data.length;
          stats.loading.first = stats.loading.end = performance.now();
          callbacks.onSuccess({ url, data, code: 200 }, stats, context, null);
        },
        () => this.open && super.load(context, config, callbacks),
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
