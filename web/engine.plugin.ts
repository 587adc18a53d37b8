import { resolve } from "node:path";
import type { Plugin } from "vite";

const worker = resolve(import.meta.dirname, "player/engine/worker.ts");
const named = 'new URL("./worker.ts", import.meta.url)';

/** Builds the engine's worker within the build of the page that starts it: by itself, a worker has a copy of all that they share. */
export const engineWorker: Plugin = {
  name: "engine-worker",
  apply: "build",
  enforce: "pre",
  transform(code, id) {
    if (!id.endsWith("/player/engine/engine.ts")) return;
    if (!code.includes(named)) throw new Error(`the engine names its worker otherwise than by ${named}`);
    const chunk = this.emitFile({ type: "chunk", id: worker, name: "worker" });
    return code.replace(named, `new URL(import.meta.ROLLUP_FILE_URL_${chunk}, import.meta.url)`); // it may be a path
  },
};
