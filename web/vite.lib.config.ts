import { resolve } from "node:path";
import { defineConfig } from "vite";
import { engineWorker } from "./engine.plugin.ts";

const here = import.meta.dirname;

/** hls.js is inside on purpose; where it is not, the same import loads it when it is needed. */
export const checks = { ineffectiveDynamicImport: false };

// The player as a library. By default dist/player.js, for <script type="module"> on any
// page: hls.js is inside and the element is made known. With --mode npm the package
// @shoal/player in player/dist, which leaves hls.js to whoever installs it, and has what Shaka needs apart.
const entries = (mode: string): Record<string, string> =>
  mode === "npm" ? { player: resolve(here, "player/index.ts"), shaka: resolve(here, "player/shaka.ts") } : { player: resolve(here, "player/script.ts") };

export default defineConfig(({ mode }) => ({
  root: here,
  base: "./", // what it consists of is beside it, wherever that is
  publicDir: false,
  plugins: [engineWorker],
  build: {
    outDir: mode === "npm" ? resolve(here, "player/dist") : resolve(here, "dist"),
    emptyOutDir: mode === "npm",
    target: "es2022",
    lib: { entry: entries(mode), formats: ["es"] },
    rollupOptions: { external: mode === "npm" ? [/^hls\.js(\/|$)/] : [], output: { minify: true, entryFileNames: "[name].js", ...(mode === "npm" ? {} : { chunkFileNames: "assets/[name]-[hash].js", assetFileNames: "assets/[name]-[hash][extname]" }) }, checks },
    minify: true,
  },
}));
