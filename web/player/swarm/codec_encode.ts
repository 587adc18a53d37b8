import { type Bytes, unbase32, unhex } from "../bytes.ts";
import { blockSize } from "../merkle.ts";
import { helloLeaf, isMapped, isPeerId, isRendition, kinds, Malformed, maxRecords, subscribeUrgent, type TrackKey, trackIds } from "./codec.ts";
import { writeHead } from "./codec_head.ts";
import { allLanes, everyLane, type LaneMask, type Mask } from "./masks.ts";
import {
  type Block,
  type Have,
  type Hello,
  type Hint,
  type Key,
  maxBlocks,
  maxEnvelope,
  maxFrame,
  maxHeads,
  maxHints,
  maxNumber,
  maxRun,
  maxSignal,
  type Message,
  possibleInit,
  possibleKey,
  type Role,
  roles,
  type State,
} from "./messages.ts";
import { frame, u16, u32, u64, uvarint } from "./writer.ts";

/**
 * Writes the messages that go out on one connection, in the order in which they are encoded: addresses are
 * short because it remembers which tracks it declared.
 */
export class Encoder {
  private readonly tracks: TrackKey[] = []; // by id
  private oldest = 0; // id that is declared anew when all are taken
  private last = 0; // id that was used last
  private stream = ""; // that this side's Hello named

  /**
   * The frames of one message: the message's, after that of a track if it needs one that is not declared, each of
   * at most maxFrame bytes. A message that no receiver would accept throws Malformed and leaves the Encoder as it was.
   */
  encode(m: Message): Bytes[] {
    switch (m.type) {
      case "Head": {
        const out: Bytes[] = [];
        out.push(writeHead(m, this.stream, (k) => this.declare(k, out)));
        return out;
      }
      case "Block":
        return this.block(m);
      case "Have":
        return this.have(m);
      case "Want":
        return this.addressed(kinds.want, m, blocks(m.blocks));
      case "Cancel":
        return this.addressed(kinds.cancel, m, blocks(m.blocks));
      case "Deny":
        return this.addressed(kinds.deny, m, blocks(m.blocks));
      case "GetHeads":
        return this.addressed(kinds.getHeads, m, whole(m.count, 1, maxHeads, "heads asked for"));
    }
    const f = plain(m);
    if (f.length > maxFrame) throw new Malformed(`a frame of ${f.length} bytes`);
    if (m.type === "Hello") this.stream = m.stream;
    return [f];
  }

  private block(m: Block): Bytes[] {
    if (m.data.length === 0 || m.data.length > blockSize) throw new Malformed(`a block of ${m.data.length} bytes`);
    return this.addressed(kinds.block, m, whole(m.index, 0, maxBlocks - 1, "as a block's index"), m.data);
  }

  private have(m: Have): Bytes[] {
    whole(m.count, 1, maxRun, "pieces of a run");
    if (m.n > maxNumber - (m.count - 1)) throw new Malformed(`${m.count} pieces from ${m.n} on`);
    return m.count === 1 ? this.addressed(kinds.have, m) : this.addressed(kinds.have, m, uvarint(m.count));
  }

  private addressed(kind: number, k: Key, ...rest: (Bytes | number)[]): Bytes[] {
    const out: Bytes[] = [];
    out.push(frame(kind, this.declare(k, out), uvarint(k.n), ...rest));
    return out;
  }

  /** The id of the track that k is in, after declaring it on `out` if need be. */
  private declare(k: Key, out: Bytes[]): number {
    if (!possibleKey(k) || !isRendition(k.r)) throw new Malformed(`there can be no piece ${k.r}/${k.epoch}/${k.n}`);
    const is = (t: TrackKey | undefined) => t !== undefined && t.epoch === k.epoch && t.r === k.r;
    if (is(this.tracks[this.last])) return this.last;
    const known = this.tracks.findIndex(is);
    if (known >= 0) return (this.last = known);
    this.last = this.tracks.length;
    if (this.last === trackIds) {
      this.last = this.oldest;
      this.oldest = (this.oldest + 1) % trackIds;
    }
    this.tracks[this.last] = { r: k.r, epoch: k.epoch };
    out.push(frame(kinds.track, this.last, u64(k.epoch), k.r));
    return this.last;
  }
}

/** Encodes a message that needs no track. */
function plain(m: Exclude<Message, Key | { type: "Head" }>): Bytes {
  switch (m.type) {
    case "Hello":
      return hello(m);
    case "Subscribe":
      return frame(kinds.subscribe, lanes(m.lanes), m.urgent ? subscribeUrgent : 0, rendition(m.r));
    case "Grant":
      return frame(kinds.grant, lanes(m.lanes), rendition(m.r));
    case "Peers":
      if (m.hints.length > maxHints) throw new Malformed(`${m.hints.length} hints`);
      return frame(kinds.peers, ...m.hints.map(hint));
    case "State":
      return frame(kinds.state, perLane(m.depth), perLane(m.branch), state(m), rendition(m.r));
    case "Credit":
      return frame(kinds.credit, uvarint(m.limit));
    case "Ping":
      return frame(kinds.ping, word(m.token));
    case "Pong":
      return frame(kinds.pong, word(m.token));
    case "Drain":
      return frame(kinds.drain);
    case "GetRecords":
      return frame(kinds.getRecords);
    case "Records":
      if (m.envelopes.length > maxRecords) throw new Malformed(`${m.envelopes.length} records`);
      return frame(kinds.records, ...m.envelopes.flatMap(record));
    case "GetInit":
      return frame(kinds.getInit, root(m.root));
    case "Init":
      if (!possibleInit(m)) throw new Malformed(`${m.data.length} bytes from ${m.offset} on of an init segment of ${m.total}`);
      return frame(kinds.init, root(m.root), word(m.total), word(m.offset), m.data);
    case "Signal":
      if (m.body.length === 0 || m.body.length > maxSignal) throw new Malformed(`a signal of ${m.body.length} bytes`);
      return frame(kinds.signal, peer(m.from), peer(m.to), m.body);
    case "Bye":
      return frame(kinds.bye, whole(m.reason, 0, 255, "as a reason"));
  }
}

function hello(m: Hello): Bytes {
  if (!/^[a-z2-7]{32}$/.test(m.stream)) throw new Malformed("no stream's id");
  return frame(kinds.hello, whole(m.version, 0, 255, "as a version"), unbase32(m.stream, 20), peer(m.id), role(m.role), m.leaf ? helloLeaf : 0, word(m.up));
}

function hint(h: Hint): Bytes {
  if (!h.address || h.address.port === 0) return frame(peer(h.id), role(h.role), 0);
  const ip = isMapped(h.address.ip) ? h.address.ip.subarray(12) : h.address.ip;
  if (ip.length !== 4 && ip.length !== 16) throw new Malformed(`an address of ${ip.length} bytes`);
  return frame(peer(h.id), role(h.role), ip.length, ip, u16(whole(h.address.port, 1, 0xffff, "as a port")));
}

function state(m: State): Bytes {
  return frame(u16(whole(m.spare, 0, 0xffff, "spare lanes")), word(m.least), lanes(m.open));
}

function record(envelope: Bytes): Bytes[] {
  return [u16(whole(envelope.length, 1, maxEnvelope, "bytes of a record")), envelope];
}

function perLane(list: number[]): Bytes {
  if (list.length !== allLanes) throw new Malformed(`${list.length} lanes`);
  return frame(...list.map((v) => whole(v, 0, 255, "of a lane")));
}

function blocks(m: Mask): Bytes {
  let n = m.bits.length;
  while (n > 0 && m.bits[n - 1] === 0) n--;
  if (n === 0) throw new Malformed("no block is named");
  return m.bits.subarray(0, n);
}

function lanes(m: LaneMask): Bytes {
  return u32(whole(m, 0, everyLane, "as lanes"));
}

function rendition(r: string): string {
  if (!isRendition(r)) throw new Malformed("a rendition that cannot be called so");
  return r;
}

function peer(id: string): Bytes {
  if (!isPeerId(id)) throw new Malformed("no peer's id");
  return unhex(id, 16);
}

function root(r: string): Bytes {
  if (!/^[0-9a-f]{64}$/.test(r)) throw new Malformed("no root");
  return unhex(r, 32);
}

function role(r: Role): number {
  return roles.indexOf(r);
}

function word(v: number): Bytes {
  return u32(whole(v, 0, 0xffff_ffff, "as a u32"));
}

/** Returns v where it is an integer within bounds. */
function whole(v: number, least: number, most: number, what: string): number {
  if (!Number.isInteger(v) || v < least || v > most) throw new Malformed(`${v} ${what}`);
  return v;
}
