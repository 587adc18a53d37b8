import { resolve } from "node:path";
import { defineConfig } from "vite";

// The dashboard, beside the other pages in dist and apart from them: what it has in common with the player would become a file
// of its own, and one more request of every viewer.
export default defineConfig({
  root: resolve(import.meta.dirname, "pages"),
  publicDir: false,
  base: "/",
  build: {
    outDir: resolve(import.meta.dirname, "dist"),
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: resolve(import.meta.dirname, "pages/dash.html") },
  },
});
