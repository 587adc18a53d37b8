import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { base32, base64, hex, text, unbase32, unbase64, unhex, utf8 } from "../player/bytes.ts";
import { rootOf } from "../player/merkle.ts";
import { parseStrict } from "../player/strictjson.ts";
import { sha256 } from "./support/signer.ts";

const anyBytes = fc.uint8Array({ maxLength: 200 }).map((b) => new Uint8Array(b));

describe("bytes", () => {
  test("hex and base64 come back as they went", () => {
    fc.assert(
      fc.property(anyBytes, (b) => {
        expect(unhex(hex(b), b.length)).toEqual(b);
        expect(unbase64(base64(b))).toEqual(b);
      }),
    );
  });

  test("base64 that another decoder might read otherwise is refused", () => {
    for (const s of ["QQ", "QR==", "Q Q=", "QQ==\n", "_-8=", "A==="]) expect(() => unbase64(s), s).toThrow();
  });

  test("base32 is RFC 4648's, in lower case without padding", () => {
    for (const [plain, want] of [
      ["", ""],
      ["f", "my"],
      ["fo", "mzxq"],
      ["foobar", "mzxw6ytboi"],
    ] as const) {
      expect(base32(utf8(plain))).toBe(want);
    }
  });

  test("base32 of whole groups comes back as it went, and nothing else is read", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (b) => {
        expect(unbase32(base32(b), 20)).toEqual(new Uint8Array(b));
      }),
    );
    for (const s of ["", "a".repeat(31), "A".repeat(32), "1".repeat(32)]) expect(() => unbase32(s, 20), s).toThrow();
  });

  test("text that is not UTF-8 is refused", () => {
    expect(() => text(new Uint8Array([0xc0, 0x80]))).toThrow();
  });
});

describe("strict JSON", () => {
  test("what JSON.parse reads without loss is read alike", () => {
    const value = fc.letrec((tie) => ({
      leaf: fc.oneof(fc.string(), fc.boolean(), fc.constant(null), fc.integer()),
      node: fc.oneof({ maxDepth: 4 }, tie("leaf"), fc.array(tie("node"), { maxLength: 4 }), fc.dictionary(fc.string().filter((k) => k !== "__proto__"), tie("node"), { maxKeys: 4 })),
    })).node;
    fc.assert(
      fc.property(value, fc.constantFrom(0, 1, "\t"), (v, space) => {
        const s = JSON.stringify(v, null, space);
        expect(parseStrict(s)).toEqual(JSON.parse(s));
      }),
    );
  });

  test("a key that stands twice is refused, also when written differently or deep inside", () => {
    for (const s of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"x":[{"b":{},"b":[]}]}', '{"__proto__":1}']) {
      expect(() => parseStrict(s), s).toThrow();
    }
    expect(parseStrict('{"a":{"a":[{"a":1},{"a":2}]}}')).toBeTruthy();
  });

  test("numbers that some reader would round are refused", () => {
    for (const n of ["1.0", "1e3", "9007199254740993", "-9007199254740993", "0.5"]) expect(() => parseStrict(`{"a":${n}}`), n).toThrow();
    expect(parseStrict('{"a":9007199254740991,"b":-5,"c":0}')).toEqual({ a: 9007199254740991, b: -5, c: 0 });
  });

  test("anything at all is read or refused, never hangs", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: fc.constantFrom(..."{}[]\",:0e-\\ u") })), (s) => {
        try {
          parseStrict(s);
        } catch (e) {
          expect(e).toBeInstanceOf(Error);
        }
      }),
    );
  });

  test("endless nesting is refused", () => {
    expect(() => parseStrict("[".repeat(100) + "]".repeat(100))).toThrow("deep");
  });
});

describe("root of a piece", () => {
  test("one block: its hash; more: BEP 52's tree with zero padding", async () => {
    const block = (fill: number, n: number) => new Uint8Array(n).fill(fill);
    expect(hex(await rootOf(block(7, 100)))).toBe(hex(sha256(block(7, 100))));
    const k = 16384;
    const three = new Uint8Array([...block(1, k), ...block(2, k), ...block(3, 5)]);
    const pair = (a: Uint8Array, b: Uint8Array) => sha256(new Uint8Array([...a, ...b]));
    const want = pair(pair(sha256(block(1, k)), sha256(block(2, k))), pair(sha256(block(3, 5)), new Uint8Array(32)));
    expect(hex(await rootOf(three))).toBe(hex(want));
  });

  test("any changed bit changes it", async () => {
    const data = new Uint8Array(40_000).map((_, i) => i * 7);
    const root = hex(await rootOf(data));
    await fc.assert(
      fc.asyncProperty(fc.nat(data.length - 1), fc.nat(7), async (at, bit) => {
        const changed = data.slice();
        changed[at]! ^= 1 << bit;
        expect(hex(await rootOf(changed))).not.toBe(root);
      }),
      { numRuns: 30 },
    );
  });
});
