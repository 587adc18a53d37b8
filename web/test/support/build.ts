import { execFileSync } from "node:child_process";
import { resolve } from "node:path";

/** Builds the pages before browser tests, so that they never test an old build. */
export default function setup(): void {
  const web = resolve(import.meta.dirname, "../..");
  for (const config of ["vite.config.ts", "vite.dash.config.ts", "vite.lib.config.ts"]) {
    execFileSync(process.execPath, [resolve(web, "node_modules/vite/bin/vite.js"), "build", "--logLevel", "warn", "--config", config], { cwd: web, stdio: "inherit" });
  }
}
