// Takes the pictures in docs/screenshots: the pages as `make build` made them, over the test
// origin, those of the swarm in a real one, which takes some minutes, and the dashboard with made-up viewers.
//
//	node scripts/screenshots.mjs
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

const web = resolve(import.meta.dirname, "../web");
const vitest = resolve(web, "node_modules/vitest/vitest.mjs");
const { status } = spawnSync(process.execPath, [vitest, "run", "--project", "screenshots"], { cwd: web, stdio: "inherit" });
process.exit(status ?? 1);
