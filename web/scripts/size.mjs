// Prints how large the library is, as it is and gzipped: what an npm user adds beside
// hls.js, and what a <script> loads with hls.js inside.
//
//	npm run size
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const web = resolve(import.meta.dirname, "..");

for (const [name, mode] of [["@shoal/player, without hls.js", "npm"], ["player.js, with hls.js", "production"]]) {
  // Built anew, and not written.
  const [{ output }] = await build({ configFile: resolve(web, "vite.lib.config.ts"), mode, logLevel: "silent", build: { write: false } });
  const code = output.map((chunk) => chunk.code ?? chunk.source).join("");
  const [plain, gzipped] = [Buffer.byteLength(code), gzipSync(code, { level: 9 }).length].map((n) => (n / 1000).toFixed(1).padStart(6));
  console.log(`${name.padEnd(32)} ${plain} kB, ${gzipped} kB gzipped`);
}
