// The viewer of the stream that a page's own address names, for the page and the frame.
import { addressOf } from "../player/address.ts";
import { browserChoices } from "../player/choices.ts";
import { browserPins } from "../player/pins.ts";
import type { Player, PlayerOptions } from "../player/player.ts";
import type { Stats } from "../player/stats.ts";
import { Viewer, type ViewerOptions } from "../player/ui/viewer.ts";
import type { View } from "../player/view.ts";

declare global {
  interface Window {
    /** For tests and benches. */
    shoal: { stats(): Stats; view(): View; readonly player: Player };
  }
}

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
  const { base, name, id } = addressOf(location.href) ?? { base: new URL("/", location.href), name: "", id: null };
  return { base, name, wantedId: id, pins: browserPins(), choices: browserChoices(base.origin) };
}
