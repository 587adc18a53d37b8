// What a page's <script type="module" src="https://host/player.js"> runs: the package
// with hls.js inside, and the element made known.
import Hls from "hls.js/light";
import { define } from "./element.ts";
import { useHls } from "./hls.ts";

export * from "./index.ts";

useHls(Hls);
define();
