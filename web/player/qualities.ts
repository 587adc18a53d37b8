// The renditions that a viewer can choose between.

/** One rendition of the stream. */
export interface Quality {
  rendition: string; // its name: v0 is what the creator sent
  width: number; // 0 where there is no picture, or it is not known
  height: number;
  bitrate: number; // bit/s, of its newest pieces
}

/** Whether this browser can decode what is of such codecs (RFC 6381); yes where it cannot be asked. */
export function playable(codecs: string): boolean {
  return codecs === "" || (globalThis.MediaSource?.isTypeSupported(`video/mp4; codecs="${codecs}"`) ?? true);
}

/** The best first. */
export function bestFirst(a: Quality, b: Quality): number {
  return b.height - a.height || b.bitrate - a.bitrate;
}
