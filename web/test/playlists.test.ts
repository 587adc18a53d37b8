import { expect, test } from "vitest";
import { multivariant } from "../player/playlists.ts";

const none = { width: 0, height: 0, codecs: "", entries: [] };

test("the manifest's renditions make a multivariant playlist that names each media playlist", () => {
  const text = multivariant(
    new Map([
      ["v0", { ...none, width: 1280, height: 720, codecs: "avc1.64001f,mp4a.40.2" }],
      ["a0", { ...none, codecs: "opus" }],
      ["v1", none],
    ]),
  );
  expect(text.trim().split("\n")).toEqual([
    "#EXTM3U",
    '#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720',
    "v0/index.m3u8",
    '#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="opus"',
    "a0/index.m3u8",
    "#EXT-X-STREAM-INF:BANDWIDTH=1",
    "v1/index.m3u8",
  ]);
});
