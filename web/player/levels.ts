// hls.js's levels. It makes them of the multivariant playlist, which it reads once; renditions that came later are put
// among them here, while it plays, in the way that its content steering does it.
import type Hls from "hls.js";
import type { Fragment, Level, LevelAttributes, LevelParsed } from "hls.js";
import { classOf } from "./hls.ts";
import { playable, type Quality } from "./qualities.ts";
import { reload } from "./playlists.ts";

/** A rendition as hls.js is to know it. */
export interface Offered extends Quality {
  codecs: string;
  url: string; // of its playlist
}

/** The index of a rendition's level; -1 where there is none. */
export function levelOf(hls: Hls, r: string | null): number {
  return hls.levels.findIndex((l) => reload(l.uri)?.r === r);
}

/** The name of the rendition that a level is; null where there is no such level. */
export function renditionOf(hls: Hls, level: number): string | null {
  return reload(hls.levels[level]?.uri ?? "about:blank")?.r ?? null;
}

/**
 * Adds levels for the renditions that hls.js does not know yet and can play, in their places: it relies on their order, so
 * the numbers of others change, that of the fragment that is being loaded included.
 */
export function addLevels(hls: Hls, offers: Offered[], loading: Fragment | null): void {
  const model = hls.levels[0];
  const fresh = model ? offers.filter((o) => levelOf(hls, o.rendition) < 0 && o.codecs !== "" && playable(o.codecs)).map((o) => levelFrom(model, o)) : [];
  if (!model || fresh.length === 0) return;
  const current = loading && hls.levels[loading.level];
  const levels = [...hls.levels, ...fresh].sort((a, b) => a.height - b.height || a.bitrate - b.bitrate);
  if (current) loading.level = levels.indexOf(current);
  hls.trigger(classOf(hls).Events.LEVELS_UPDATED, { levels: [...levels, fresh[0]!] });
  // hls.js finds its place among levels again when one is taken away.
  hls.removeLevel(levels.length);
}

/** Makes a level in the classes of another, which hls.js does not publish. */
function levelFrom(model: Level, { rendition, codecs, width, height, bitrate, url }: Offered): Level {
  const LevelClass = model.constructor as new (parsed: LevelParsed) => Level;
  const Attributes = model.attrs.constructor as new (attributes: Record<string, string>) => LevelAttributes;
  const all = codecs.split(",");
  const videoCodec = all.find((c) => /^(avc|hvc|hev|av01|vp0)/.test(c));
  const audioCodec = all.find((c) => c !== videoCodec);
  const attrs = new Attributes({ BANDWIDTH: String(bitrate), CODECS: codecs, RESOLUTION: `${width}x${height}` });
  const known = { ...(videoCodec ? { videoCodec } : {}), ...(audioCodec ? { audioCodec } : {}) };
  return new LevelClass({ attrs, bitrate, width, height, url, name: rendition, ...known });
}
