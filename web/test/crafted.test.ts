import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { envelopeFrom, types } from "../player/dsse.ts";
import { engine, verify, verifyNow } from "../player/signatures.ts";
import { Trust } from "../player/trust.ts";

// Signatures that verifiers differ about, and documents of keys that must not be used: the Go side judges the same.
const crafted = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../manifest/testdata/signatures.json"), "utf8")) as {
  signatures: { name: string; key: string; message: string; sig: string; genuine: boolean }[];
  documents: { genesis: unknown; session: unknown; refused: { name: string; envelope: unknown }[] };
};

const unhex = (s: string) => new Uint8Array(Buffer.from(s, "hex"));

test.each(crafted.signatures)("by the browser's engine: $name", async ({ key, message, sig, genuine }) => {
  expect(await verify(unhex(key), unhex(message), unhex(sig))).toBe(genuine);
  expect(engine()).toBe("webcrypto");
});

test.each(crafted.signatures)("by the page's own: $name", ({ key, message, sig, genuine }) => {
  expect(verifyNow(unhex(key), unhex(message), unhex(sig))).toBe(genuine);
});

test.each(crafted.documents.refused)("a key that anybody signs by is refused where it enters: $name", async ({ envelope }) => {
  const trust = await Trust.begin(envelopeFrom(crafted.documents.genesis));
  await trust.addSession(envelopeFrom(crafted.documents.session)); // what is beside it is in order
  const e = envelopeFrom(envelope);
  const entering = e.payloadType === types.genesis ? Trust.begin(e) : e.payloadType === types.session ? trust.addSession(e) : trust.addRotation(e);
  await expect(entering).rejects.toThrow("must be an Ed25519 public key that may be used");
});
