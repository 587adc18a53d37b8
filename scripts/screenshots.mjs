// Takes the pictures in docs/screenshots: the pages as `npm run build` made them, over the
// test origin, with a swarm that is made up so that the pictures are the same each time.
//
//	node scripts/screenshots.mjs
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

const web = resolve(import.meta.dirname, "../web");
const vitest = resolve(web, "node_modules/vitest/vitest.mjs");
const { status } = spawnSync(process.execPath, [vitest, "run", "--project", "screenshots"], { cwd: web, stdio: "inherit" });
process.exit(status ?? 1);
