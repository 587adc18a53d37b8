// The renditions that a viewer can choose between.

/** One rendition of the stream. */
export interface Quality {
  rendition: string; // its name: v0 is what the creator sent
  width: number; // 0 where there is no picture, or it is not known
  height: number;
  bitrate: number; // bit/s, of its newest pieces
}

/** The best first. */
export function bestFirst(a: Quality, b: Quality): number {
  return b.height - a.height || b.bitrate - a.bitrate;
}
