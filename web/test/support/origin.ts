// An origin for tests: the HTTP contract over test streams, the built pages, and the
// power to cheat, which the real one has not.
import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { mediaPlaylist, reached } from "./playlist.ts";
import type { Made, TestStream } from "./stream.ts";

const web = resolve(import.meta.dirname, "../..");

/** The policy that the Go handler sends, so that pages are tested under it. */
const policy = [.../func \(s \*Site\) policy[^{]*\{([^}]*)\}/.exec(readFileSync(resolve(web, "site.go"), "utf8"))![1]!.matchAll(/"([^"]*)"/g)]
  .map((quoted) => quoted[1]!)
  .join("")
  .replace(/$/, "'self'");

/** The members of manifest.json that say what pages may do for the swarm. */
export interface SwarmMembers {
  consent?: string;
  sensitive?: boolean;
  relay?: boolean;
  trackers?: string[];
}

export class TestOrigin {
  /** What is added to every manifest. */
  swarm: SwarmMembers = {};
  readonly streams = new Map<string, TestStream>();
  /** Changes a piece's bytes on their way out. */
  tamper: ((m: Made, times: number) => Uint8Array) | null = null;
  /** Replaces the Shoal-Entry header. */
  header: ((m: Made) => string | null) | null = null;
  /** Keeps silent about a piece for as long as whoever asked waits. */
  hang: ((m: Made, times: number) => boolean) | null = null;
  /** Refuses everything below /live/ and /api/ when set. */
  down = false;
  readonly asked: string[] = [];
  /** Requests that are being answered. */
  open = 0;
  private readonly times = new Map<string, number>();
  private readonly server: Server;

  private constructor() {
    this.server = createServer((req, res) => {
      this.open++;
      res.once("close", () => this.open--);
      this.answer(req, res).catch(() => res.destroy());
    });
  }

  static async start(host = "127.0.0.1"): Promise<TestOrigin> {
    const o = new TestOrigin();
    await new Promise<void>((ready) => o.server.listen(0, host, ready));
    return o;
  }

  get url(): string {
    const { address, port } = this.server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  add(s: TestStream): void {
    this.streams.set(s.name, s);
  }

  async stop(): Promise<void> {
    for (const s of this.streams.values()) s.end();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? "/", this.url);
    const path = url.pathname;
    this.asked.push(path + url.search);
    res.setHeader("Access-Control-Allow-Origin", "*");
    res.setHeader("Access-Control-Expose-Headers", "Shoal-Entry");
    if (this.down && (path.startsWith("/api/") || /^\/live\/[^/]+\//.test(path))) return void res.destroy();
    if (path === "/api/v1/time") return json(res, 200, { now: Date.now() });
    if (path === "/api/v1/streams") return json(res, 200, [...this.streams.values()].map((s) => this.listed(s)));
    const media = /^\/live\/([^/]+)\/(.+)$/.exec(path);
    if (media) {
      const stream = this.streams.get(media[1]!);
      if (!stream) return json(res, 404, { error: `there is no stream ${media[1]}` });
      return this.media(stream, media[2]!, url.searchParams, res);
    }
    page(path, res);
  }

  private listed(s: TestStream): unknown {
    return {
      name: s.name,
      stream_id: s.id,
      live: s.live,
      since: s.epoch,
      watch_url: `${this.url}/live/${s.name}#${s.id}`,
      renditions: ["v0"],
      width: 640,
      height: 360,
      codecs: "avc1.42c01e,mp4a.40.2",
    };
  }

  private async media(s: TestStream, path: string, q: URLSearchParams, res: ServerResponse): Promise<void> {
    if (path === "manifest.json") return this.manifest(s, q, res);
    if (path.endsWith(".m3u8")) {
      if (!s.live) return json(res, 404, { error: `${s.name} is offline` });
      res.setHeader("Content-Type", "application/vnd.apple.mpegurl");
      res.setHeader("Cache-Control", "no-store");
      if (path === "index.m3u8") {
        res.end('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=640x360\nv0/index.m3u8\n');
        return;
      }
      // Only players that know nothing of the manifest ask for it; they are given v0.
      const msn = q.get("_HLS_msn");
      const until = Date.now() + 5_000;
      while (msn !== null && s.live && !reached(s, Number(msn), Number(q.get("_HLS_part") ?? -1)) && Date.now() < until) await s.next(1_000);
      res.end(mediaPlaylist(s));
      return;
    }
    const r = path.split("/")[0]!;
    const track = s.renditions.get(r);
    const init = /^\w+\/init\/([0-9a-f]{64})\.mp4$/.exec(path);
    if (track && init?.[1] === track.initRoot) return bytes(res, track.clip.init);
    const piece = /^\w+\/(\d+)\/(\d+)\.m4s$/.exec(path);
    if (track && piece) return this.piece(s, r, Number(piece[1]), Number(piece[2]), res);
    const segment = /^\w+\/seg\/(\d+)\.m4s$/.exec(path);
    if (track && segment) {
      const parts = track.made.filter((m) => m.entry.msn === Number(segment[1]));
      if (parts.length > 0 && reached(s, Number(segment[1]) + 1, 0)) return bytes(res, Buffer.concat(parts.map((p) => this.out(p))));
    }
    json(res, 404, { error: "there is no such piece" });
  }

  private async piece(s: TestStream, r: string, epoch: number, n: number, res: ServerResponse): Promise<void> {
    const until = Date.now() + 5_000;
    let m = s.find(epoch, n, r);
    while (!m && s.live && s.epoch === epoch && Date.now() < until) {
      await s.next(1_000);
      m = s.find(epoch, n, r);
    }
    if (!m) return json(res, 404, { error: "there is no such piece" });
    const header = this.header ? this.header(m) : entryHeader(m);
    if (header !== null) res.setHeader("Shoal-Entry", header);
    const data = this.out(m);
    if (!this.hang?.(m, this.times.get(nameOf(m))!)) bytes(res, data);
  }

  private out(m: Made): Uint8Array {
    const name = nameOf(m);
    const times = (this.times.get(name) ?? 0) + 1;
    this.times.set(name, times);
    return this.tamper ? this.tamper(m, times) : m.data;
  }

  private async manifest(s: TestStream, q: URLSearchParams, res: ServerResponse): Promise<void> {
    const only = q.get("r");
    let of = (made: Made[]): Made[] => {
      const start = made.slice(-60).find((m) => m.entry.part === 0);
      return start ? made.slice(made.indexOf(start)) : [];
    };
    const after = q.get("after");
    if (after) {
      const [epoch, n] = after.split(".").map(Number);
      const wasLive = s.live;
      of = (made) => made.filter((m) => m.entry.epoch > epoch! || (m.entry.epoch === epoch && m.entry.n > n!)).slice(0, 200);
      const until = Date.now() + 5_000;
      while (of(s.renditions.get(only!)?.made ?? []).length === 0 && s.live === wasLive && Date.now() < until) await s.next(1_000);
    } else if (q.get("epoch")) {
      const [epoch, from, to] = ["epoch", "from", "to"].map((k) => Number(q.get(k)));
      of = (made) => made.filter((m) => m.entry.epoch === epoch && m.entry.n >= from! && m.entry.n <= to!);
    }
    const renditions = [...s.renditions].map(([r, { made }], i) => {
      const entries = only === null || only === r ? of(made) : [];
      const size = { width: 640 >> i, height: 360 >> i };
      return [r, { codecs: "avc1.42c01e,mp4a.40.2", ...size, frame_rate: 29.97, playlist: `${r}/index.m3u8`, entries: entries.map((m) => m.envelope) }];
    });
    json(res, 200, {
      v: 1,
      name: s.name,
      stream_id: s.id,
      live: s.live,
      now: Date.now(),
      ...this.swarm,
      genesis: s.genesis,
      rotations: [],
      sessions: s.sessions,
      renditions: Object.fromEntries(renditions),
    });
  }
}

function nameOf(m: Made): string {
  return `${m.entry.r}/${m.entry.epoch}/${m.entry.n}`;
}

export function entryHeader(m: Made): string {
  return Buffer.from(JSON.stringify(m.envelope)).toString("base64");
}

function json(res: ServerResponse, status: number, value: unknown): void {
  res.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  res.end(JSON.stringify(value));
}

function bytes(res: ServerResponse, data: Uint8Array): void {
  res.writeHead(200, { "Content-Type": "video/mp4", "Cache-Control": "max-age=60" });
  res.end(data);
}

function page(path: string, res: ServerResponse): void {
  const framed = /^\/embed\/[^/]+$/.test(path);
  const file = path === "/" ? "index.html" : /^\/live\/[^/]+$/.test(path) ? "live.html" : framed ? "embed.html" : path.slice(1);
  const found = /^(assets\/[\w.-]+|[a-z]+\.html|player\.js)$/.test(file) && existsSync(resolve(web, "dist", file));
  const kinds: Record<string, string> = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
  res.writeHead(found ? 200 : 404, {
    "Content-Type": kinds[found ? file.split(".").at(-1)! : "html"] ?? "application/octet-stream",
    "Content-Security-Policy": framed ? policy.replace("frame-ancestors 'self'", "frame-ancestors *") : policy,
    "X-Content-Type-Options": "nosniff",
  });
  res.end(readFileSync(resolve(web, "dist", found ? file : "404.html")));
}
