// The viewer of the stream that a page's own address names, for the page and the frame.
import Hls from "hls.js/light";
import { addressOf } from "../player/address.ts";
import { useHls } from "../player/hls.ts";
import { optionsFor, type PlayerOptions } from "../player/options.ts";
import type { Player } from "../player/player.ts";
import type { Stats } from "../player/stats.ts";
import { Viewer, type ViewerOptions } from "../player/ui/viewer.ts";
import type { View } from "../player/view.ts";

declare global {
  interface Window {
    /** For tests and benches. */
    shoal: { stats(): Stats; view(): View; readonly player: Player };
  }
}

useHls(Hls); // loaded with the page, so that the first picture need not wait for it

export function viewHere(options: Pick<ViewerOptions, "framed" | "page" | "drawn">): Viewer {
  const viewer = new Viewer({ ...options, root: document, keys: document, player: here() });
  addEventListener("hashchange", () => viewer.play(here()));
  window.shoal = {
    stats: () => viewer.player.stats(),
    view: () => viewer.player.view(),
    get player() {
      return viewer.player;
    },
  };
  return viewer;
}

function here(): PlayerOptions {
  return optionsFor(addressOf(location.href) ?? { base: new URL("/", location.href), name: "", id: null });
}
