import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { hex, text, unhex } from "../player/bytes.ts";
import { envelopeFrom } from "../player/dsse.ts";
import { rootOf } from "../player/merkle.ts";
import { fingerprint, Trust } from "../player/trust.ts";

// What the Go side signed; both sides must read it alike.
const testdata = resolve(import.meta.dirname, "../../manifest/testdata");
const vectors = JSON.parse(readFileSync(resolve(testdata, "vectors.json"), "utf8")) as {
  documents: { name: string; payload: string; envelope: { payloadType: string } }[];
  fingerprint: string;
  root_key: string;
  stream_id: string;
};

test("the documents of the Go side open here, one after the other", async () => {
  const kinds = new Set<string>();
  let trust: Trust | undefined;
  const of = (kind: string) => vectors.documents.filter((d) => d.envelope.payloadType.includes(`.${kind}.`));
  for (const d of of("genesis")) trust = await Trust.begin(envelopeFrom(d.envelope));
  expect(trust?.id).toBe(vectors.stream_id);
  expect(await fingerprint(trust!.rootKey)).toBe(vectors.fingerprint);
  for (const kind of ["session", "rotation", "entry"]) {
    for (const d of of(kind)) {
      const e = envelopeFrom(d.envelope);
      expect(text(e.payload), d.name).toBe(d.payload);
      if (kind === "session") await trust!.addSession(e);
      if (kind === "rotation") await trust!.addRotation(e);
      if (kind === "entry") await trust!.open(e);
      kinds.add(kind);
    }
  }
  expect([...kinds]).toEqual(["session", "rotation", "entry"]);
});

test("a changed document of the Go side does not open", async () => {
  const genesis = envelopeFrom(vectors.documents[0]!.envelope);
  genesis.payload[20]! ^= 1;
  await expect(Trust.begin(genesis)).rejects.toThrow();
});

test("the root of 20,000 bytes is the one that the Go side computes", async () => {
  const want = readFileSync(resolve(testdata, "root-of-20000.txt"), "utf8").trim();
  unhex(want, 32);
  expect(hex(await rootOf(new Uint8Array(20_000).map((_, i) => i)))).toBe(want);
});
