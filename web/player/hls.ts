// hls.js, whoever brings it: a page that has an instance hands it over, our own pages hand over the class, and for all
// others its light build is loaded once it is needed.
import type Hls from "hls.js";
import type { HlsConfig } from "hls.js";

export type HlsClass = typeof Hls;

let known: HlsClass | undefined;

/** Makes players use this hls.js where they are given no instance. Without it they load "hls.js/light". */
export function useHls(given: HlsClass): void {
  known = given;
}

/** The hls.js to make instances of; loading it ends before or with what is fetched beside it. */
export async function loadHls(): Promise<HlsClass> {
  return (known ??= (await import("hls.js/light")).default);
}

/** The class of an instance: its names of events and errors. */
export function classOf(hls: Hls): HlsClass {
  return hls.constructor as HlsClass;
}

/** Sets an instance's configuration, of which hls.js reads each part when it needs it, and returns what sets it back. */
export function configure(hls: Hls, settings: Partial<HlsConfig>): () => void {
  // What was said when it was made decides whether a distance to live is counted in seconds.
  const places: Partial<HlsConfig>[] = [hls.config, hls.userConfig];
  const before = places.map((c) => ({ ...c }));
  for (const c of places) Object.assign(c, settings);
  return () => {
    for (const [i, c] of places.entries()) {
      for (const name of Object.keys(settings) as (keyof HlsConfig)[]) {
        if (name in before[i]!) Object.assign(c, { [name]: before[i]![name] });
        else delete c[name];
      }
    }
  };
}
