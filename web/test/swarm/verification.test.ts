import { describe, expect, test } from "vitest";
import { unbase64, utf8 } from "../../player/bytes.ts";
import { envelopeFrom } from "../../player/dsse.ts";
import { Decoder } from "../../player/swarm/codec_decode.ts";
import { Intake } from "../../player/swarm/intake.ts";
import type { Head, Message, OpenHead } from "../../player/swarm/messages.ts";
import { Trusted } from "../../player/swarm/verify.ts";
import { Trust } from "../../player/trust.ts";
import { bytes, vectors } from "./vectors.ts";

interface Step {
  record?: string;
  head?: string;
  block?: { index: number; from: number; to: number; flip?: number };
  want: string;
}

const v = vectors<{
  stream: string;
  genesis: unknown;
  records: Record<string, unknown>;
  heads: Record<string, string>;
  piece: string;
  cases: { what: string; steps: Step[] }[];
}>("verification.json");

const piece = unbase64(v.piece);

async function verifier(): Promise<Trusted> {
  const trust = await Trust.begin(envelopeFrom(v.genesis));
  expect(trust.id).toBe(v.stream);
  return new Trusted(trust);
}

function headNamed(name: string): Head {
  return new Decoder().decode(bytes(v.heads[name]!)) as Head;
}

const recordNamed = (name: string) => utf8(JSON.stringify(v.records[name]));

describe("what the Go side accepts and refuses is accepted and refused here", () => {
  // Whether signatures were checked ahead must make no difference.
  for (const ahead of [true, false]) {
    for (const c of v.cases) {
      test(`${c.what}${ahead ? ", checked ahead" : ""}`, async () => {
        const trusted = await verifier();
        const heads = new Map<string, Head>();
        for (const [i, s] of c.steps.entries()) {
          let got = "";
          if (s.record) {
            const envelope = recordNamed(s.record);
            if (ahead) await trusted.prepare({ type: "Records", envelopes: [envelope] });
            got = trusted.addRecord(envelope);
          } else if (s.head) {
            const h = headNamed(s.head);
            heads.set(s.head, h);
            if (ahead) await trusted.prepare(h);
            got = trusted.openHead(h);
          } else if (s.block) {
            const data = piece.slice(s.block.from, s.block.to);
            if (s.block.flip !== undefined) data[s.block.flip]! ^= 1;
            got = trusted.block(heads.get("film 1") as OpenHead, s.block.index, data) ? "genuine" : "false";
          }
          expect(got, `step ${i}`).toBe(s.want);
        }
      });
    }
  }
});

test("a fork is shown once, with the envelopes that contradict each other", async () => {
  const trusted = await verifier();
  trusted.addRecord(recordNamed("session 1"));
  for (let n = 0; n < 6; n++) expect(trusted.openHead(headNamed(`film ${n}`))).toBe("genuine");
  expect(trusted.forks()).toEqual([]);
  for (let again = 0; again < 2; again++) expect(trusted.openHead(headNamed("a second one of its place"))).toBe("useless");
  const [fork, ...more] = trusted.forks();
  expect(more).toEqual([]);
  expect(fork!.envelopes.length).toBeGreaterThan(1);
  expect(new Set(fork!.envelopes.map((e) => e.payload.join())).size).toBe(fork!.envelopes.length);
  expect(trusted.forks()).toEqual([]);
});

test("records are passed on once, rotations first", async () => {
  const trusted = await verifier();
  expect(trusted.addRecord(recordNamed("session 1"))).toBe("fresh");
  expect(trusted.addRecord(recordNamed("rotation 1"))).toBe("fresh");
  expect(trusted.addRecord(utf8(JSON.stringify(v.genesis)))).toBe("refused");
  expect(trusted.addRecord(utf8("{}"))).toBe("refused");
  expect(trusted.records()).toEqual([recordNamed("rotation 1"), recordNamed("session 1")]);
  expect(trusted.addRecord(trusted.records()[0]!)).toBe("known");
});

test("a known record with a stranger's signature is refused, not passed on", async () => {
  const trusted = await verifier();
  const forged = structuredClone(v.records["session 1"]) as { signatures: { sig: string }[] };
  forged.signatures[0]!.sig = (v.records["another session 1"] as typeof forged).signatures[0]!.sig;
  trusted.addRecord(recordNamed("session 1"));
  expect(trusted.addRecord(utf8(JSON.stringify(forged)))).toBe("refused");
});

describe("while signatures are being checked", () => {
  /** An intake whose heads wait until they are let through. */
  function waiting() {
    const got: [number, Message][] = [];
    const gates: (() => void)[] = [];
    const intake = new Intake<number>(
      (m) => (m.type === "Head" ? new Promise((done) => gates.push(done)) : undefined),
      (c, m) => got.push([c, m]),
    );
    return { got, gates, intake };
  }
  const head = headNamed("film 0");
  const have: Message = { type: "Have", r: "v0", epoch: 1, n: 0, count: 1 };
  const settled = () => new Promise((done) => setImmediate(done));

  test("one neighbour's messages keep their order, and another's do not wait", async () => {
    const { got, gates, intake } = waiting();
    intake.receive(1, have, 10);
    intake.receive(1, head, 10);
    intake.receive(1, have, 10);
    intake.receive(2, have, 10);
    expect(got).toEqual([[1, have], [2, have]]);
    gates[0]!();
    await settled();
    expect(got.slice(2)).toEqual([[1, head], [1, have]]);
    intake.receive(1, have, 10);
    expect(got.length).toBe(5);
  });

  test("nothing comes of a connection that was closed meanwhile", async () => {
    const { got, gates, intake } = waiting();
    intake.receive(1, head, 10);
    intake.receive(1, have, 10);
    intake.closed(1);
    gates[0]!();
    await settled();
    expect(got).toEqual([]);
  });

  test("what waits has a bound", () => {
    const { intake } = waiting();
    intake.receive(1, head, 10);
    const more = Array.from({ length: 5000 }, () => intake.receive(1, have, 10));
    expect(more.filter((taken) => taken).length).toBe(4095);
    intake.receive(2, head, 10);
    expect(intake.receive(2, have, 4 << 20)).toBe(false);
  });
});
