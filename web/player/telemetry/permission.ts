// Whether a page may report at all.
import type { Telling } from "../view.ts";

/** Who has a say. */
export interface Says {
  /** The stream's manifest: the operator wants reports. */
  operator: boolean;
  /** The page that embeds the player. */
  embedder: boolean;
  /** The viewer, in the panel. */
  viewer: boolean;
  /** The browser asks sites to leave its user alone (Global Privacy Control). */
  privacyControl: boolean;
}

/** Reports go where all agree (`on`). */
export function telling({ operator, embedder, viewer, privacyControl }: Says): Telling {
  if (!operator || !embedder) return "none";
  if (privacyControl) return "forbidden";
  return viewer ? "on" : "off";
}

export function privacyControl(): boolean {
  return (navigator as Navigator & { globalPrivacyControl?: boolean }).globalPrivacyControl === true;
}
