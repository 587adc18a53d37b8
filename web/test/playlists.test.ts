import { Parser } from "m3u8-parser";
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
  const parser = new Parser();
  parser.push(text);
  parser.end();
  expect(parser.manifest.playlists.map((p: { uri: string; attributes: Record<string, unknown> }) => [p.uri, p.attributes["CODECS"], p.attributes["RESOLUTION"]])).toEqual([
    ["v0/index.m3u8", "avc1.64001f,mp4a.40.2", { width: 1280, height: 720 }],
    ["a0/index.m3u8", "opus", undefined],
    ["v1/index.m3u8", undefined, undefined],
  ]);
});
