// Reads a fragmented MP4 with mp4box and prints what it found: an independent look at
// the boxes. Usage: node inspect.mjs <mp4box module> <file>
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , module, path] = process.argv;
const MP4Box = await import(pathToFileURL(module));
const problems = [];
MP4Box.Log.setLogLevel(MP4Box.Log.LOG_LEVEL_WARNING ?? 2);
for (const level of ["warn", "error"]) {
  MP4Box.Log[level] = (...words) => problems.push(words.join(" "));
}
const file = MP4Box.createFile();
file.onError = (...words) => problems.push(words.join(" "));
let info;
file.onReady = (i) => {
  info = i;
};
const bytes = readFileSync(path);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
buffer.fileStart = 0;
file.appendBuffer(buffer);
file.flush();
const unread = [];
const known = (box, where) => {
  const name = `${where}/${box.type}`;
  if (box.constructor.name === "UnknownBox" || box.has_unparsed_data) unread.push(name);
  for (const child of box.boxes ?? []) known(child, name);
};
for (const box of file.boxes) known(box, "");
console.log(
  JSON.stringify({
    problems,
    unread,
    boxes: file.boxes.map((b) => b.type),
    tracks: (info?.tracks ?? []).map((t) => {
      const samples = file.getTrackSamplesInfo(t.id);
      return {
        id: t.id,
        codec: t.codec,
        timescale: t.timescale,
        width: t.video?.width ?? 0,
        height: t.video?.height ?? 0,
        channels: t.audio?.channel_count ?? 0,
        rate: t.audio?.sample_rate ?? 0,
        samples: samples.map((s) => [s.dts, s.cts, s.duration, s.size, s.is_sync ? 1 : 0]),
      };
    }),
  }),
);
