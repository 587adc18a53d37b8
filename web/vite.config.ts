import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { engineWorker } from "./engine.plugin.ts";
import { checks } from "./vite.lib.config.ts";

const page = (name: string) => resolve(import.meta.dirname, "pages", name);

/** Puts the player's markup, which the element has in its shadow root, where a page says so. */
const stage: Plugin = {
  name: "stage",
  transformIndexHtml: (html) => html.replace("<!-- stage -->", () => readFileSync(resolve(import.meta.dirname, "player/ui/stage.html"), "utf8")),
};

// The pages are built into dist, which embed.go puts into the binary. Every asset is
// a file of its own: the server's Content-Security-Policy allows no inline script.
export default defineConfig({
  root: resolve(import.meta.dirname, "pages"),
  publicDir: resolve(import.meta.dirname, "public"), // holds .gitkeep, so that dist exists in git
  base: "/",
  plugins: [stage, engineWorker],
  build: {
    outDir: resolve(import.meta.dirname, "dist"),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      checks,
      input: { index: page("index.html"), live: page("live.html"), embed: page("embed.html"), 404: page("404.html") },
    },
  },
});
