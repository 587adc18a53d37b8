import { base32, type Bytes } from "../bytes.ts";
import { blockSize } from "../merkle.ts";
import { helloLeaf, isMapped, kinds, Malformed, maxRecords, subscribeUrgent, type TrackKey, trackIds } from "./codec.ts";
import { readHead } from "./codec_head.ts";
import { allLanes } from "./masks.ts";
import {
  type Address,
  type Have,
  type Hello,
  type Hint,
  type Init,
  type Key,
  maxEnvelope,
  maxFrame,
  maxHeads,
  maxHints,
  maxNumber,
  maxRun,
  maxSignal,
  type Message,
  type Peers,
  possibleInit,
  type Records,
  roles,
} from "./messages.ts";
import { Reader } from "./reader.ts";

/** Reads the messages that come in on one connection, in the order in which they were encoded. */
export class Decoder {
  private readonly tracks: TrackKey[] = []; // by id, at most trackIds
  private stream = ""; // that the sender's Hello named

  /**
   * Reads one frame. It returns null where there is nothing to act on: the declaration of a track, or a kind of
   * message that a later version may know; whoever bounds what a peer may send counts those too. The message
   * shares memory with the frame, which must not change afterwards. Throws Malformed and nothing else; after
   * that the connection is of no more use (3.4).
   */
  decode(frame: Bytes): Message | null {
    if (frame.length === 0 || frame.length > maxFrame) throw new Malformed(`a frame of ${frame.length} bytes`);
    const r = new Reader(frame);
    const kind = r.u8();
    const m = this.read(kind, r);
    if (r.left > 0 && kind <= kinds.bye && kind !== kinds.hello) throw new Malformed(`${r.left} bytes too many`);
    return m;
  }

  private read(kind: number, r: Reader): Message | null {
    switch (kind) {
      case kinds.track:
        this.declare(r);
        return null;
      case kinds.hello: {
        const m = readHello(r);
        this.stream = m.stream;
        return m;
      }
      case kinds.head:
        return readHead(r, this.stream, () => this.key(r));
      case kinds.block: {
        const m: Message = { type: "Block", ...this.key(r), index: r.u8(), data: r.all() };
        if (m.data.length === 0 || m.data.length > blockSize) throw new Malformed(`a block of ${m.data.length} bytes`);
        return m;
      }
      case kinds.have:
        return this.readHave(r);
      case kinds.want:
        return { type: "Want", ...this.key(r), blocks: r.mask() };
      case kinds.cancel:
        return { type: "Cancel", ...this.key(r), blocks: r.mask() };
      case kinds.deny:
        return { type: "Deny", ...this.key(r), blocks: r.mask() };
      case kinds.getHeads: {
        const m: Message = { type: "GetHeads", ...this.key(r), count: r.u8() };
        if (m.count < 1 || m.count > maxHeads) throw new Malformed(`${m.count} heads asked for`);
        return m;
      }
    }
    return readPlain(kind, r);
  }

  private declare(r: Reader): void {
    const [id, epoch, rendition] = [r.u8(), r.u64(), r.rendition()];
    if (id >= trackIds || epoch === 0) throw new Malformed(`track ${id} of epoch ${epoch}`);
    this.tracks[id] = { r: rendition, epoch };
  }

  /** Reads a track's id and a piece's number. */
  private key(r: Reader): Key {
    const t = this.tracks[r.u8()];
    if (!t) throw new Malformed("a track that was not declared");
    return { r: t.r, epoch: t.epoch, n: r.uvarint() };
  }

  private readHave(r: Reader): Have {
    const m: Have = { type: "Have", ...this.key(r), count: 1 };
    if (r.left > 0) {
      m.count = r.uvarint();
      if (m.count < 2 || m.count > maxRun || m.n > maxNumber - (m.count - 1)) throw new Malformed(`${m.count} pieces from ${m.n} on`);
    }
    return m;
  }
}

/** Reads what needs no track. */
function readPlain(kind: number, r: Reader): Message | null {
  switch (kind) {
    case kinds.subscribe: {
      const [lanes, flags] = [r.lanes(), r.u8()];
      if (flags & ~subscribeUrgent) throw new Malformed(`flags ${flags}`);
      return { type: "Subscribe", lanes, urgent: flags !== 0, r: r.rendition() };
    }
    case kinds.grant:
      return { type: "Grant", lanes: r.lanes(), r: r.rendition() };
    case kinds.peers:
      return readPeers(r);
    case kinds.state: {
      const [depth, branch] = [[...r.take(allLanes)], [...r.take(allLanes)]];
      return { type: "State", depth, branch, spare: r.u16(), least: r.u32(), open: r.lanes(), r: r.rendition() };
    }
    case kinds.credit:
      return { type: "Credit", limit: r.uvarint() };
    case kinds.ping:
      return { type: "Ping", token: r.u32() };
    case kinds.pong:
      return { type: "Pong", token: r.u32() };
    case kinds.drain:
      return { type: "Drain" };
    case kinds.getRecords:
      return { type: "GetRecords" };
    case kinds.records:
      return readRecords(r);
    case kinds.getInit:
      return { type: "GetInit", root: r.hex(32) };
    case kinds.init: {
      const m: Init = { type: "Init", root: r.hex(32), total: r.u32(), offset: r.u32(), data: r.all() };
      if (!possibleInit(m)) throw new Malformed(`${m.data.length} bytes from ${m.offset} on of an init segment of ${m.total}`);
      return m;
    }
    case kinds.signal: {
      const m: Message = { type: "Signal", from: r.peer(), to: r.peer(), body: r.all() };
      if (m.body.length === 0 || m.body.length > maxSignal) throw new Malformed(`a signal of ${m.body.length} bytes`);
      return m;
    }
    case kinds.bye:
      return { type: "Bye", reason: r.u8() };
  }
  return null; // for growth
}

/** Passes over what later versions add: roles, flags and what follows. */
function readHello(r: Reader): Hello {
  const [version, stream, id, role, flags, up] = [r.u8(), base32(r.take(20)), r.peer(), r.u8(), r.u8(), r.u32()];
  return { type: "Hello", version, stream, id, role: roles[role] ?? "viewer", leaf: (flags & helloLeaf) !== 0, up };
}

function readPeers(r: Reader): Peers {
  const hints: Hint[] = [];
  while (r.left > 0) {
    if (hints.length === maxHints) throw new Malformed(`more than ${maxHints} hints`);
    const [id, role, size] = [r.peer(), r.role(), r.u8()];
    const address: Address | null = size === 0 ? null : { ip: r.take(size), port: r.u16() };
    if (address && ((size !== 4 && size !== 16) || isMapped(address.ip) || address.port === 0)) throw new Malformed("no peer's address");
    hints.push({ id, role, address });
  }
  return { type: "Peers", hints };
}

function readRecords(r: Reader): Records {
  const envelopes: Bytes[] = [];
  while (r.left > 0) {
    const size = r.u16();
    if (size === 0 || size > maxEnvelope || envelopes.length === maxRecords) throw new Malformed(`record ${envelopes.length} has ${size} bytes`);
    envelopes.push(r.take(size));
  }
  return { type: "Records", envelopes };
}
