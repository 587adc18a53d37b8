// Takes a frame apart.
import { type Bytes, hex, text } from "../bytes.ts";
import { isRendition, Malformed } from "./codec.ts";
import { type LaneMask, Mask, everyLane } from "./masks.ts";
import { maxNumber, type PeerId, type Role, roles } from "./messages.ts";

/** Reads a frame from its front. What it returns shares memory with the frame; where something is missing or wrong it throws Malformed. */
export class Reader {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly frame: Bytes) {
    this.view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  }

  get left(): number {
    return this.frame.length - this.at;
  }

  take(n: number): Bytes {
    return this.frame.subarray(this.skip(n), this.at);
  }

  all(): Bytes {
    return this.take(this.left);
  }

  u8(): number {
    return this.view.getUint8(this.skip(1));
  }

  u16(): number {
    return this.view.getUint16(this.skip(2));
  }

  u32(): number {
    return this.view.getUint32(this.skip(4));
  }

  /** Reads a u64 that is at most maxNumber. */
  u64(): number {
    const v = this.u32() * 2 ** 32 + this.u32();
    if (v > maxNumber) throw new Malformed("a number that is too large");
    return v;
  }

  /** Reads unsigned LEB128 in its shortest form, at most maxNumber. */
  uvarint(): number {
    let v = 0;
    for (let scale = 1, size = 1; size <= 8; size++, scale *= 128) {
      const b = this.u8();
      v += (b & 0x7f) * scale;
      if (b >= 0x80) continue;
      if (v > maxNumber || (b === 0 && size > 1)) break;
      return v;
    }
    throw new Malformed("a number that is too long or too large");
  }

  /** Reads a signed number, written as the uvarint of twice its size, less one where it is below zero. */
  varint(): number {
    const u = this.uvarint();
    return u % 2 === 0 ? u / 2 : -(u + 1) / 2;
  }

  /** Reads `n` bytes and gives them in hexadecimal. */
  hex(n: number): string {
    return hex(this.take(n));
  }

  peer(): PeerId {
    return this.hex(16);
  }

  role(): Role {
    const role = roles[this.u8()];
    if (!role) throw new Malformed("a role that is not known");
    return role;
  }

  /** Reads what is left as the name of a rendition. */
  rendition(): string {
    const name = this.all();
    const r = name.length <= 16 && name.every((b) => b < 0x80) ? text(name) : "";
    if (!isRendition(r)) throw new Malformed("a rendition that cannot be called so");
    return r;
  }

  lanes(): LaneMask {
    const m = this.u32();
    if (m > everyLane) throw new Malformed("a lane that does not exist");
    return m;
  }

  /** Reads what is left as a set of blocks: at least one, without zeros at its end. */
  mask(): Mask {
    const bits = this.all();
    const m = new Mask();
    if (bits.length > m.bits.length || !bits.at(-1)) throw new Malformed(`a set of blocks of ${bits.length} bytes`);
    m.bits.set(bits);
    return m;
  }

  private skip(n: number): number {
    if (n > this.left) throw new Malformed("it ends too early");
    this.at += n;
    return this.at - n;
  }
}
