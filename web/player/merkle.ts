// The Merkle root of a piece (BEP 52): SHA-256 over leaves of 16 KiB, the number of
// leaves padded to a power of two with hashes of all zeros.
import { type Bytes, concat } from "./bytes.ts";
import { sha256, sha256Now } from "./hashing.ts";

export const blockSize = 16 << 10;

export async function rootOf(data: Bytes): Promise<Bytes> {
  return rootOfLeaves(await leavesOf(data));
}

/** The hashes of a piece's blocks. */
export function leavesOf(data: Bytes): Promise<Bytes[]> {
  return Promise.all(blocksOf(data).map(sha256));
}

/** rootOf without waiting: all of it is hashed in the page. */
export function rootNow(data: Bytes): Bytes {
  return rootOfLeaves(blocksOf(data).map(sha256Now));
}

/** The root of a piece whose blocks have these hashes. */
export function rootOfLeaves(leaves: Bytes[]): Bytes {
  let layer = leaves.slice();
  let width = 1;
  while (width < layer.length) width *= 2;
  while (layer.length < width) layer.push(new Uint8Array(32));
  while (layer.length > 1) {
    const above: Bytes[] = [];
    for (let i = 0; i < layer.length; i += 2) above.push(sha256Now(concat(layer[i]!, layer[i + 1]!)));
    layer = above;
  }
  return layer[0]!;
}

function blocksOf(data: Bytes): Bytes[] {
  const blocks: Bytes[] = [];
  for (let at = 0; at < data.length; at += blockSize) blocks.push(data.subarray(at, Math.min(at + blockSize, data.length)));
  return blocks;
}
