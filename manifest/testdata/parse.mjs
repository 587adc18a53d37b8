// Reads a playlist from standard input with npm's m3u8-parser and writes what it
// understood, and every warning, as JSON.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { Parser } = require("m3u8-parser");
const parser = new Parser();
const warnings = [];
parser.on("warn", (w) => warnings.push(w.message));
parser.push(readFileSync(0, "utf8"));
parser.end();
const m = parser.manifest;
console.log(JSON.stringify({
  warnings,
  mediaSequence: m.mediaSequence,
  targetDuration: m.targetDuration,
  partTarget: m.partTargetDuration,
  control: { canBlockReload: m.serverControl?.["CAN-BLOCK-RELOAD"] ?? m.serverControl?.canBlockReload },
  hints: (m.preloadSegment?.preloadHints ?? []).map((h) => ({ uri: h.uri ?? h.URI })),
  segments: m.segments.map((s) => ({ uri: s.uri, duration: s.duration, timeline: s.timeline, parts: s.parts ?? [], map: { uri: s.map?.uri } })),
}));
