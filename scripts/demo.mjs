// Starts `shoal up`, publishes a demonstration stream to it with ffmpeg, lets a few native
// viewers share it, and says where to publish, where to watch, where to look at what the
// swarm does and where the data lies. Ctrl-C stops all of it.
//
//	node scripts/demo.mjs [DATA]
//
// DEMO=0 leaves the demonstration out, so that the stream is free for your own encoder.
// What SHOAL_* variables and shoal.yaml say applies as to any start of shoal.
import { execFile, spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

const shoal = resolve(import.meta.dirname, "../bin/shoal");
const data = resolve(process.argv[2] ?? "./data");
const stream = "live";
const viewers = 3;
const readyWithin = 30_000; // ms from start to all services up
const liveWithin = 15_000; // ms from ffmpeg's start to the stream being live
const stopWithin = 2_700; // ms after which what still runs is killed

/** Children by name, so that each is ended by its own process id. */
const children = new Map();
let stopping = false;

/** Starts a program that outlives neither us nor a Ctrl-C that we have not handled. */
function start(name, program, args, logFile) {
  const log = openSync(logFile, "w", 0o600);
  // In a session of its own, so that a terminal's Ctrl-C reaches it once, through us;
  // should we be killed, the kernel tells it.
  const child = spawn("setpriv", ["--pdeathsig", "TERM", program, ...args], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  children.set(name, child);
  child.ended = new Promise((done) => {
    child.once("error", (error) => done({ error }));
    child.once("exit", (code, signal) => done({ code, signal }));
  }).then((how) => {
    children.delete(name);
    return how;
  });
  return child;
}

async function stop(code) {
  if (stopping) return;
  stopping = true;
  const kill = setTimeout(() => {
    for (const child of children.values()) child.kill("SIGKILL");
  }, stopWithin);
  // Viewers and the publisher first: their ends are then clean ones.
  const end = (names) =>
    Promise.all(names.map((name) => {
      const child = children.get(name);
      child?.kill("SIGTERM");
      return child?.ended;
    }));
  await end([...children.keys()].filter((name) => name !== "shoal"));
  await end(["shoal"]);
  clearTimeout(kill);
  process.exit(code);
}

function fail(message, logFile, code = 1) {
  console.error(message);
  if (logFile) console.error(readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-8).join("\n"));
  return stop(code);
}

/** Calls probe until it returns something, or ms are over. */
async function until(ms, probe) {
  for (const end = Date.now() + ms; Date.now() < end && !stopping; await pause(50)) {
    const found = await probe().catch(() => undefined);
    if (found) return found;
  }
  return undefined;
}

const readJSON = async (path) => JSON.parse(readFileSync(path, "utf8"));

async function links() {
  const run = (...args) => promisify(execFile)(shoal, [...args, "--data", data, "--json"]);
  const list = JSON.parse((await run("stream", "list")).stdout);
  return list.find((s) => s.name === stream) ?? JSON.parse((await run("stream", "add", stream)).stdout);
}

/** A moving picture with the wall clock in it, to the millisecond, and a tone. */
function ffmpegArgs(url) {
  const zone = -new Date().getTimezoneOffset() * 60; // seconds east of UTC
  const font = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf";
  const picture = [
    "testsrc2=size=1280x720:rate=30",
    "settb=1/1000",
    // The time stamp becomes the time of day, is drawn, and becomes a frame count again.
    `setpts=mod(RTCTIME/1000000+${zone}\\,86400)/TB`,
    `drawtext=fontfile=${font}:fontsize=96:fontcolor=white:box=1:boxborderw=24:boxcolor=black:x=(w-tw)/2:y=(h-th)/2:text=%{pts\\\\:hms}`,
    "settb=1/30",
    "setpts=N",
  ].join(",");
  return [
    "-hide_banner", "-loglevel", "warning", "-nostdin",
    "-re", "-f", "lavfi", "-i", picture,
    "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:beep_factor=2",
    "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
    "-g", "30", "-keyint_min", "30", "-sc_threshold", "0", "-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k",
    "-c:a", "aac", "-b:a", "96k", "-ac", "2",
    "-flush_packets", "1", "-flvflags", "no_duration_filesize", "-f", "flv", url,
  ];
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop(0));

// Not Node's own mkdir: with recursive it never returns where nothing can be made.
const made = spawnSync("mkdir", ["-p", "-m", "700", data], { encoding: "utf8" });
if (made.status !== 0) {
  console.error(`the data directory cannot be made: ${made.stderr.trim()}: choose another one with make run DATA=…`);
  process.exit(2);
}
const upLog = resolve(data, "up.log");
const up = start("shoal", shoal, ["up", "--data", data], upLog);
up.ended.then(({ error, code }) => {
  if (!stopping) fail(error ? `shoal could not be started: ${error.message}` : `shoal stopped (exit ${code}):`, error ? undefined : upLog, code || 1);
});

const running = await until(readyWithin, async () => {
  const r = await readJSON(resolve(data, "run/addresses.json"));
  return r.pid === up.pid && r;
});
if (!running && !stopping) await fail("shoal did not become ready:", upLog);
const where = await links();

if (process.env.DEMO !== "0" && !stopping) {
  const demoLog = resolve(data, "demo.log");
  const ffmpeg = start("ffmpeg", "ffmpeg", ffmpegArgs(where.rtmp_url), demoLog);
  ffmpeg.ended.then(() => stopping || fail("the demonstration stopped; ffmpeg's last words:", demoLog));
  const live = await until(liveWithin, async () => {
    const streams = await (await fetch(`${running.http}/api/v1/streams`)).json();
    return streams.some((s) => s.name === stream && s.live);
  });
  if (!live && !stopping) await fail("the demonstration did not go live:", demoLog);
  for (let i = 1; i <= viewers && !stopping; i++) {
    // Without them the demonstration goes on.
    start(`viewer ${i}`, shoal, ["watch", where.watch_url, "--out", "/dev/null", "--stats", "none"], resolve(data, `viewer-${i}.log`));
  }
}
if (!stopping) {
  console.log(`Publish: ${where.rtmp_url}`);
  console.log(`Watch: ${where.watch_url}`);
  console.log(`Look: ${running.http}/dash with the token ${readFileSync(resolve(data, "dash-token"), "utf8").trim()}`);
  console.log(`Data: ${data}`);
}
