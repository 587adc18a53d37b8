import { resolve } from "node:path";
import { build, type Plugin } from "vite";

const worker = resolve(import.meta.dirname, "player/engine/worker.ts");
const named = 'new URL("./worker.ts", import.meta.url)';

/** Builds the engine into one file, which workers and pages load at once: each module of its own would cost whoever joins a request. */
export const engineWorker: Plugin = {
  name: "engine-worker",
  apply: "build",
  enforce: "pre",
  async transform(code, id) {
    if (!id.endsWith("/player/engine/engine.ts")) return;
    if (!code.includes(named)) throw new Error(`the engine names its worker otherwise than by ${named}`);
    const file = this.emitFile({ type: "asset", name: "engine.js", source: await bundled() });
    return code.replace(named, `new URL(import.meta.ROLLUP_FILE_URL_${file}, import.meta.url)`); // it may be a path
  },
};

async function bundled(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "warn",
    build: { write: false, target: "es2022", minify: true, lib: { entry: worker, formats: ["es"] }, rollupOptions: { output: { minify: true } } },
  });
  const chunks = (Array.isArray(built) ? built : [built]).flatMap((b) => ("output" in b ? b.output : []));
  const [only, ...more] = chunks;
  if (only?.type !== "chunk" || more.length > 0) throw new Error("the engine is built into more than one file");
  return only.code;
}
