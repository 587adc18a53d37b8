import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { hex, utf8 } from "../../player/bytes.ts";
import { envelopeFromJson } from "../../player/dsse.ts";
import { info, infohash } from "../../player/wire/descriptor.ts";

const vectors = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../../swarm/metainfo/testdata/descriptor.json"), "utf8")) as { genesis: string; info: string; infohash: string }[];

test("pages meet where native peers do: they make the same infohash of a genesis", () => {
  expect(vectors.length).toBeGreaterThan(0);
  for (const v of vectors) {
    const genesis = envelopeFromJson(utf8(v.genesis));
    expect(hex(info(genesis))).toBe(v.info);
    expect(hex(infohash(genesis))).toBe(v.infohash);
  }
});
