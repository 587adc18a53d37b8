// The Merkle root of a piece (BEP 52): SHA-256 over leaves of 16 KiB, the number of
// leaves padded to a power of two with hashes of all zeros.
import { type Bytes, concat } from "./bytes.ts";
import { sha256 } from "./hashing.ts";

export const blockSize = 16 << 10;

export async function rootOf(data: Bytes): Promise<Bytes> {
  const blocks: Promise<Bytes>[] = [];
  for (let at = 0; at < data.length; at += blockSize) {
    blocks.push(sha256(data.subarray(at, Math.min(at + blockSize, data.length))));
  }
  let layer = await Promise.all(blocks);
  let width = 1;
  while (width < layer.length) width *= 2;
  while (layer.length < width || layer.length === 0) layer.push(new Uint8Array(32));
  while (layer.length > 1) {
    const above: Promise<Bytes>[] = [];
    for (let i = 0; i < layer.length; i += 2) above.push(sha256(concat(layer[i]!, layer[i + 1]!)));
    layer = await Promise.all(above);
  }
  return layer[0]!;
}
