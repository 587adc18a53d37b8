// A site of somebody else's: plain pages, on an origin of their own, that play a
// playlist with players as their makers ship them.
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";

const modules = resolve(import.meta.dirname, "../../node_modules");
const scripts = {
  "/hls.js": readFileSync(resolve(modules, "hls.js/dist/hls.min.js")),
  "/shaka.js": readFileSync(resolve(modules, "shaka-player/dist/shaka-player.compiled.js")),
};

/** Errors that a player reported, those included after which it goes on, and what it says about itself. */
export interface Stock {
  errors: string[];
  version: string;
  latency(): number;
}

const starts = {
  hls: `
    const hls = new Hls({ lowLatencyMode: true });
    window.hls = hls;
    window.stock = { errors: [], version: Hls.version, latency: () => hls.latency };
    // It says so too when it looks for its distance from live, which is no error of a server's.
    const settling = [Hls.ErrorDetails.BUFFER_STALLED_ERROR, Hls.ErrorDetails.BUFFER_SEEK_OVER_HOLE];
    hls.on(Hls.Events.ERROR, (_, e) => (e.fatal || !settling.includes(e.details)) && stock.errors.push([e.type, e.details, e.fatal, e.reason ?? e.error?.message, e.url ?? e.frag?.url].join(" ")));
    hls.attachMedia(video);
    hls.loadSource(playlist);`,
  shaka: `
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    window.stock = { errors: [], version: shaka.Player.version, latency: () => player.getStats().liveLatency };
    player.addEventListener("error", (e) => stock.errors.push(["error", e.detail.code, JSON.stringify(e.detail.data)].join(" ")));
    player.configure({ streaming: { lowLatencyMode: true } });
    player.attach(video).then(() => player.load(playlist)).catch((e) => stock.errors.push(["load", e.code, JSON.stringify(e.data), e.stack].join(" ")));`,
};

export type Kind = keyof typeof starts;

export class OtherSite {
  private constructor(private readonly server: Server) {}

  static async start(): Promise<OtherSite> {
    const server = createServer((req, res) => {
      const { pathname, searchParams } = new URL(req.url ?? "/", "http://x");
      const script = scripts[pathname as keyof typeof scripts];
      const start = starts[pathname.slice(1) as Kind];
      if (pathname === "/html") res.setHeader("Content-Type", "text/html").end(document(searchParams.get("body") ?? ""));
      else if (script) res.setHeader("Content-Type", "text/javascript").end(script);
      else if (start) res.setHeader("Content-Type", "text/html").end(page(pathname, start, searchParams.get("play") ?? ""));
      else res.writeHead(404).end();
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    return new OtherSite(server);
  }

  /** The address of the page that plays a playlist. */
  url(kind: Kind, playlist: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${kind}?play=${encodeURIComponent(playlist)}`;
  }

  /** The address of a page with so much HTML in its body. */
  html(body: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/html?body=${encodeURIComponent(body)}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

function document(body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>News</title><link rel="icon" href="data:,"><body>${body}</body></html>`;
}

function page(path: string, start: string, playlist: string): string {
  return `<!doctype html><link rel="icon" href="data:,"><video muted autoplay></video><script src="${path}.js"></script>
<script>const video = document.querySelector("video"), playlist = ${JSON.stringify(playlist)};${start}
video.play().catch(() => undefined);</script>`;
}
