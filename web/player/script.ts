// What a page's <script type="module" src="https://host/player.js"> runs: the package
// with hls.js inside, and the element made known.
import { define } from "./element.ts";

export * from "./index.ts";

define();
