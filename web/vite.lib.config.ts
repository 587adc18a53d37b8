import { resolve } from "node:path";
import { defineConfig } from "vite";
import { engineWorker } from "./engine.plugin.ts";

const here = import.meta.dirname;

// The player as a library. By default dist/player.js, for <script type="module"> on any
// page: hls.js is inside and the element is made known. With --mode npm the package
// @shoal/player in player/dist, which leaves hls.js to whoever installs it.
export default defineConfig(({ mode }) => ({
  root: here,
  publicDir: false,
  plugins: [engineWorker],
  build: {
    outDir: mode === "npm" ? resolve(here, "player/dist") : resolve(here, "dist"),
    emptyOutDir: mode === "npm",
    target: "es2022",
    lib: { entry: resolve(here, mode === "npm" ? "player/index.ts" : "player/script.ts"), formats: ["es"], fileName: () => "player.js" },
    rollupOptions: { external: mode === "npm" ? [/^hls\.js(\/|$)/] : [], output: { minify: true, ...(mode === "npm" ? {} : { chunkFileNames: "assets/[name]-[hash].js" }) } },
    minify: true,
  },
}));
