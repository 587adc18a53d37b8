// The tracker client that WebTorrent pages run, as its makers ship it, bundled for a page.
import { resolve } from "node:path";
import type { Page } from "playwright-core";
import { build } from "vite";

/** Bundles the stock client into a script that makes it `window.TrackerClient`. */
export async function stockClient(): Promise<string> {
  const web = resolve(import.meta.dirname, "../..");
  const built = await build({
    configFile: false,
    root: web,
    logLevel: "error",
    publicDir: false,
    define: { "process.browser": "true" },
    resolve: { alias: { events: "bare-events" } }, // the emitter of Node, which bundlers have to bring
    build: {
      write: false,
      minify: false,
      lib: { entry: resolve(web, "node_modules/bittorrent-tracker/client.js"), formats: ["iife"], name: "TrackerClient" },
    },
  });
  const [output] = Array.isArray(built) ? built : [built];
  if (!output || !("output" in output)) throw new Error("vite built nothing");
  return output.output[0].code;
}

/** What became of a page's part in a swarm. */
export interface Meeting {
  /** What peers said over data channels, in order. */
  heard: string[];
  warnings: string[];
  /** The swarm's size as the tracker told it last; null before. */
  incomplete: number | null;
  leave(): void;
}

declare global {
  interface Window {
    TrackerClient: new (o: object) => StockClient;
    meeting: Meeting;
  }
}

interface StockClient {
  on(event: string, fn: (x: never) => void): void;
  start(o: object): void;
  stop(o?: object): void;
  destroy(): void;
}

/** Lets a page join a swarm as WebTorrent does, and tell its name to everyone it meets there. */
export function join(page: Page, tracker: string, infoHash: string, name: string): Promise<void> {
  return page.evaluate(({ tracker, infoHash, name }) => {
    const client = new window.TrackerClient({ infoHash, peerId: name.repeat(40).slice(0, 40), announce: [tracker], rtcConfig: { iceServers: [] } });
    window.meeting = { heard: [], warnings: [], incomplete: null, leave: () => client.stop() };
    client.on("warning", (e: Error) => window.meeting.warnings.push(e.message));
    client.on("update", (u: { incomplete: number }) => (window.meeting.incomplete = u.incomplete));
    client.on("peer", (peer: { on(event: string, fn: (x: Uint8Array) => void): void; send(s: string): void }) => {
      peer.on("connect", () => peer.send(`${name} was here`));
      peer.on("data", (b) => window.meeting.heard.push(new TextDecoder().decode(b)));
      peer.on("error", () => undefined); // of those who leave
    });
    client.start({ left: 1, uploaded: 0, downloaded: 0, numwant: 5 });
  }, { tracker, infoHash, name });
}
