// A script of the tests, bundled as the pages are, and a server that has nothing but a page with it.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { build, type Rolldown } from "vite";

/** The script as one module. */
export async function bundled(entry: string): Promise<string> {
  const built = (await build({
    configFile: false,
    logLevel: "error",
    publicDir: false,
    build: { write: false, target: "es2022", minify: false, modulePreload: false, rollupOptions: { input: entry } },
  })) as Rolldown.RolldownOutput;
  return built.output[0].code;
}

export async function serveScript(entry: string): Promise<{ url: string; stop(): Promise<void> }> {
  const script = await bundled(entry);
  const server: Server = createServer((request, response) => {
    const js = request.url === "/script.js";
    response.setHeader("content-type", js ? "text/javascript" : "text/html");
    response.end(js ? script : '<!doctype html><title>test</title><link rel="icon" href="data:,"><script type="module" src="/script.js"></script>');
  });
  await new Promise<void>((r) => server.listen(0, "127.0.0.1", r));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    stop: () => new Promise((r) => (server.closeAllConnections(), server.close(() => r()))),
  };
}
