// The real thing: bin/shoal as `make build` left it, and publishers that push to it.
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Stats } from "../../player/stats.ts";

const repository = resolve(import.meta.dirname, "../../..");
const binary = process.env["SHOAL"] ?? join(repository, "bin/shoal");

/** What `shoal stream add --json` prints. */
export interface Stream {
  name: string;
  stream_id: string;
  publish_key: string;
  rtmp_url: string;
  watch_url: string;
}

/** Flags by which `shoal up` takes part in swarms, and its viewers' pages at once. */
export const swarming = ["--torrent=127.0.0.1:0", "--webrtc=127.0.0.1:0", "--tracker-udp=127.0.0.1:0", "--stun=127.0.0.1:0", "--consent=share"];

/** Polls until `look` finds something; says what it waited for when it never does. */
export async function eventually<T>(what: string, look: () => T | Promise<T>, ms = 15_000): Promise<NonNullable<T>> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

/** An address of this machine that is not loopback: pages there are in no secure context. */
export function outsideAddress(): string {
  const all = Object.values(networkInterfaces()).flat();
  const found = all.find((i) => i && !i.internal && i.family === "IPv4")?.address;
  if (!found) throw new Error("this test needs a network interface besides loopback, with an IPv4 address");
  return found;
}

/** One `shoal up`, on a data directory of its own, reachable from every address of this machine. */
export class Shoal {
  http = "";
  log = "";
  private rtmp = "";
  private child: ChildProcess | null = null;
  private readonly dir = mkdtempSync(join(tmpdir(), "shoal-real-"));
  private readonly data = join(this.dir, "data");
  private readonly added = new Map<string, number>();
  private readonly publishers: Publisher[] = [];
  private readonly viewing: Viewer[] = [];

  /** `swarm` are the flags by which it takes part in swarms: without, pages take everything over HTTP. */
  private constructor(private swarm: string[]) {}

  static async start(swarm = ["--torrent=", "--webrtc=", "--tracker-udp=", "--stun="]): Promise<Shoal> {
    if (!existsSync(binary)) throw new Error(`there is no ${binary}: make build makes it`);
    const s = new Shoal(swarm);
    await s.up();
    return s;
  }

  /** Starts it, on the same ports as before when it ran before. */
  async up(): Promise<void> {
    const port = (url: string) => (url === "" ? "0" : new URL(url).port);
    const args = ["up", "--data", this.data, "--http", `0.0.0.0:${port(this.http)}`, "--rtmp", `127.0.0.1:${port(this.rtmp)}`, "--srt", "", "--clickhouse", "none",
      ...this.swarm];
    const child = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.child = child;
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.log += text));
    const file = join(this.data, "run/addresses.json");
    const at = await eventually("shoal up to say its addresses", () => {
      if (child.exitCode !== null) throw new Error(`shoal up ended: ${this.log}`);
      const found = existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { pid: number; http: string; rtmp: string; torrent?: string });
      return found && found.pid === child.pid ? found : null;
    });
    this.http = at.http;
    this.rtmp = at.rtmp;
    if (at.torrent) this.swarm = this.swarm.map((flag) => flag.replace(/^--torrent=.*/, `--torrent=${at.torrent}`));
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    const child = this.child!;
    this.child = null;
    await ended(child, "SIGKILL");
  }

  /** Ends the programs that make its renditions, as the kernel does when memory is short. */
  killEncoders(): void {
    spawnSync("pkill", ["-KILL", "-x", "-P", String(this.child!.pid), "ffmpeg"]);
  }

  /** Adds a stream. A test that is tried again gets another one, and nobody publishes to its first any more. */
  async add(name: string): Promise<Stream> {
    const times = (this.added.get(name) ?? 0) + 1;
    this.added.set(name, times);
    if (times > 1) {
      await Promise.all(this.publishers.filter((p) => p.to.name.replace(/-\d+$/, "") === name).map((p) => p.stop()));
      name += `-${times}`;
    }
    const { stdout } = await promisify(execFile)(binary, ["stream", "add", name, "--json", "--data", this.data]);
    return JSON.parse(stdout) as Stream;
  }

  /** Changes a stream's settings. */
  async set(to: Stream, ...flags: string[]): Promise<void> {
    await promisify(execFile)(binary, ["stream", "set", to.name, ...flags, "--data", this.data]);
  }

  /** Bytes of media that it gave so far: blocks to swarms, and bodies over HTTP. */
  async gave(): Promise<number> {
    const text = await (await fetch(`${this.http}/metrics`)).text();
    return [...text.matchAll(/^shoal_(?:seed_sent_bytes_total|origin_sent_bytes_total\{kind="(?:piece|segment)"\}) (\S+)$/gm)].reduce((n, m) => n + Number(m[1]), 0);
  }

  /** A native viewer, and what it says once a second. */
  watch(to: Stream, seconds: number, ...more: string[]): Viewer {
    const args = ["watch", to.watch_url, "--stats", "json", "--seconds", String(seconds), "--out", "/dev/null", "--pins", join(this.dir, `pins-${this.viewing.length}`), ...more];
    const v = new Viewer(spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] }));
    this.viewing.push(v);
    return v;
  }

  /** Ends everything that was started. */
  async stop(): Promise<void> {
    await Promise.all([...this.publishers, ...this.viewing].map((p) => p.stop()));
    if (this.child) await ended(this.child, "SIGTERM");
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Pushes a test picture with ffmpeg: H.264 and AAC at 48 kHz stereo. */
  ffmpeg(to: Stream, o: Picture = {}): Publisher {
    const { size = "320x180", fps = 30, gop = fps, bframes = 0, source = `testsrc2=size=${size}:rate=${fps}` } = o;
    const picture = ["-re", "-f", "lavfi", "-i", source];
    const tone = ["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"];
    const h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-sc_threshold", "0", "-threads", "1"];
    const keys = ["-g", String(gop), "-keyint_min", String(gop), "-bf", String(bframes), "-b:v", "800k"];
    const aac = ["-c:a", "aac", "-ac", "2"];
    const args = [
      ...["-v", "error", "-nostdin"],
      ...(o.video === false ? [] : picture),
      ...(o.audio === false ? [] : tone),
      ...(o.video === false ? [] : [...h264, ...keys]),
      ...(o.audio === false ? [] : aac),
      ...["-f", "flv", to.rtmp_url],
    ];
    return this.publish(to, "ffmpeg", args);
  }

  /** Pushes a test picture by Enhanced RTMP, in any codec. */
  send(to: Stream, o: Sent): Publisher {
    const args = Object.entries(o).map(([k, v]) => `-${k}=${v}`);
    return this.publish(to, sender(), [...args, to.rtmp_url]);
  }

  private publish(to: Stream, command: string, args: string[]): Publisher {
    const p = new Publisher(to, spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] }));
    this.publishers.push(p);
    return p;
  }
}

/** A `shoal watch` until it ends by itself. */
export class Viewer {
  private said = "";

  constructor(private readonly child: ChildProcess) {
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.said += text));
  }

  /** Its newest line, null before the first. */
  now(): Stats | null {
    const line = this.said.split("\n").slice(0, -1).findLast((l) => l.startsWith("{"));
    return line ? (JSON.parse(line) as Stats) : null;
  }

  stop(): Promise<void> {
    return ended(this.child, "SIGTERM");
  }
}

export interface Picture {
  /** What the picture is of, as a graph of ffmpeg's. */
  source?: string;
  size?: string;
  fps?: number;
  gop?: number;
  bframes?: number;
  video?: false;
  audio?: false;
}

export interface Sent {
  video?: "avc1" | "hvc1" | "av01";
  audio?: "mp4a" | "Opus";
  width?: number;
  height?: number;
  bframes?: number;
  fps?: number;
  gop?: number;
  round?: string;
  then?: string;
}

/** An encoder that publishes until it is stopped. */
export class Publisher {
  said = "";
  constructor(
    readonly to: Stream,
    private readonly child: ChildProcess,
  ) {
    for (const out of [child.stdout, child.stderr]) out!.setEncoding("utf8").on("data", (text: string) => (this.said += text));
    child.stdin!.on("error", () => undefined); // it may have ended
  }

  /** Gives an order to a sender and waits until it is followed. */
  async order(word: string, answer: string): Promise<void> {
    this.child.stdin!.write(`${word}\n`);
    await eventually(`the sender to say ${answer}`, () => {
      if (this.child.exitCode !== null) throw new Error(`the sender ended: ${this.said}`);
      return this.said.includes(`${answer}\n`);
    });
  }

  /** Stops it from running for a while, as a machine does that has too much to do. */
  async hang(ms: number): Promise<void> {
    this.child.kill("SIGSTOP");
    await new Promise((over) => setTimeout(over, ms));
    this.child.kill("SIGCONT");
  }

  /** Ends it at once, as a crash would. */
  stop(): Promise<void> {
    return ended(this.child, "SIGKILL");
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once("exit", done));
  child.kill(signal);
  await gone;
}

let built = "";

/** The Enhanced RTMP sender, built once a run. */
function sender(): string {
  if (built) return built;
  const dir = mkdtempSync(join(tmpdir(), "shoal-sender-"));
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, "sender");
  execFileSync("go", ["build", "-o", file, "./e2e/sender"], { cwd: repository, stdio: ["ignore", "inherit", "inherit"] });
  return (built = file);
}
