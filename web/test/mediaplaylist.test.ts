import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { answers, type Listed, mediaPlaylist } from "../player/mediaplaylist.ts";

const golden = resolve(import.meta.dirname, "../../manifest/testdata/playlists");
const read = (name: string) => readFileSync(resolve(golden, name), "utf8");

/** The entries of a golden playlist, as the creator signed them. */
function entries(name: string): Listed[] {
  const lines = read(`${name}.jsonl`).trim().split("\n").map((l) => JSON.parse(l) as Partial<Listed>);
  return lines.map((e) => ({ key: false, gap: false, target: 0, ...e }) as Listed);
}

const names = readdirSync(golden).filter((f) => f.endsWith(".jsonl")).map((f) => f.slice(0, -".jsonl".length));

describe("the page writes a playlist byte for byte as every origin does:", () => {
  test.each(names)("%s", (name) => {
    expect(mediaPlaylist(entries(name), { ended: name === "ended" })).toBe(read(`${name}.m3u8`));
  });

  test("there are some to compare with", () => expect(names.length).toBeGreaterThan(4));

  test("a delta update", () => expect(mediaPlaylist(entries("full-window"), { skip: true })).toBe(read("full-window-skip.m3u8")));

  test("one without any media", () => expect(mediaPlaylist([], { skip: true })).toBe(read("empty.m3u8")));
});

test("a blocking request is answered once its part is there, and refused where it is far ahead", () => {
  const known = entries("growing-segment");
  const { msn, part } = known.at(-1)!;
  expect(answers(known, false, msn, part)).toBe("ready");
  expect(answers(known, false, msn - 1, -1)).toBe("ready");
  expect(answers(known, false, msn, part + 1)).toBe("hold");
  expect(answers(known, false, msn, -1)).toBe("hold");
  expect(answers(known, true, msn, -1)).toBe("ready");
  expect(answers(known, false, msn + 1, 0)).toBe("hold");
  expect(answers(known, false, msn + 3, -1)).toBe("refuse");
  expect(answers([], false, 0, -1)).toBe("hold");
});
