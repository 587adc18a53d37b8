// A script of the tests, bundled as the pages are, and a server that has nothing but a page with it.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { build, type Rolldown } from "vite";
import { engineWorker } from "../../engine.plugin.ts";

async function files(entry: string): Promise<Map<string, string | Uint8Array>> {
  const built = (await build({
    configFile: false,
    logLevel: "error",
    publicDir: false,
    plugins: [engineWorker],
    build: {
      ...{ write: false, target: "es2022", minify: false, modulePreload: false },
      rollupOptions: { input: entry, output: { entryFileNames: "script.js" } },
    },
  })) as Rolldown.RolldownOutput;
  return new Map(built.output.map((o) => [`/${o.fileName}`, o.type === "chunk" ? o.code : o.source]));
}

/** The script as one module: for what needs no worker. */
export async function bundled(entry: string): Promise<string> {
  return String((await files(entry)).get("/script.js"));
}

export async function serveScript(entry: string): Promise<{ url: string; stop(): Promise<void> }> {
  const all = await files(entry);
  const server: Server = createServer((request, response) => {
    const file = all.get(new URL(request.url ?? "/", "http://x").pathname);
    response.setHeader("content-type", file ? "text/javascript" : "text/html");
    response.end(file ?? '<!doctype html><title>test</title><link rel="icon" href="data:,"><script type="module" src="/script.js"></script>');
  });
  await new Promise<void>((r) => server.listen(0, "127.0.0.1", r));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    stop: () => new Promise((r) => (server.closeAllConnections(), server.close(() => r()))),
  };
}
