// Which 32 bytes may stand for a point of edwards25519 in a key or a signature (docs/spec/manifest.md 2.2), by
// their looks alone: verifiers differ about the others.
import { type Bytes, unhex } from "./bytes.ts";

/** y of all points of small order, as they are written, without their sign. */
const small = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((y) => unhex(y, 32));

/** Reports whether bytes are written as RFC 8032 5.1.2 does, and are no point of small order. They may be no point at all. */
export function sound(point: Bytes): boolean {
  const last = point[31]! & 0x7f;
  // 2^255 - 19 and more are y again, written another way.
  if (last === 0x7f && point[0]! >= 0xed && point.subarray(1, 31).every((b) => b === 0xff)) return false;
  return !small.some((y) => last === y[31] && y.subarray(0, 31).every((b, i) => b === point[i]));
}
