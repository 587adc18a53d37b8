// Plays a trace of the scheduler (swarm/testdata/README.md) to a node. Tests only.
import { equal } from "../../player/bytes.ts";
import { blockSize } from "../../player/merkle.ts";
import { type Effects, sources } from "../../player/swarm/effects.ts";
import { bans, type Key, type Message, type OpenHead, type Role } from "../../player/swarm/messages.ts";
import { Node } from "../../player/swarm/node.ts";
import { millisecond } from "../../player/swarm/time.ts";
import type { Tuning } from "../../player/swarm/tuning.ts";
import type { Verifier } from "../../player/swarm/verifier.ts";
import { headFields, type HeadFields, rigBlock, rigData, rigHead, rigStream, rigVerifier } from "./rig.ts";
import { type Fields, fields, messageOf } from "./vectors.ts";

export interface Input extends Key {
  do: string;
  conn: number;
  outbound: boolean;
  message: Fields;
  pts: number;
  play_ms: number;
  up: number;
  size: number;
  first: number;
  count: number;
}

export interface Trace {
  what: string;
  config: { id: string; role: Role; up: number; wants: string[] | null; no_origin: boolean; random: number; tuning: Tuning };
  steps: { at_ms: number; input: Input; effects: Record<string, unknown>[] }[];
}

export class Player {
  readonly node: Node;
  private readonly heads = new Map<string, OpenHead>();

  constructor(c: Trace["config"], verifier: Verifier = rigVerifier) {
    this.node = new Node({
      ...{ stream: rigStream, id: c.id, role: c.role, verifier, wants: c.wants ?? [], noOrigin: c.no_origin },
      ...{ up: c.up < 0 ? Number.POSITIVE_INFINITY : c.up, random: c.random, tuning: c.tuning },
    });
  }

  /** Gives the node one input and returns what it does. */
  step(ms: number, i: Input): Record<string, unknown>[] {
    const [now, n] = [ms * millisecond, this.node];
    switch (i.do) {
      case "connected":
        n.connected(now, i.conn, { address: null, outbound: i.outbound });
        break;
      case "closed":
        n.closed(now, i.conn);
        break;
      case "receive":
        n.receive(now, i.conn, this.message(i.message));
        break;
      case "tick":
        n.tick(now);
        break;
      case "add": {
        const h = this.head(i.message);
        n.add(now, h, rigData(h), sources.origin);
        break;
      }
      case "add_head":
        n.addHead(now, this.head(i.message));
        break;
      case "follow":
        n.follow(now, i.r, i);
        break;
      case "play":
        n.play(now, i.r, i.epoch, i.pts, i.play_ms * millisecond);
        break;
      case "set_up":
        n.setUp(now, i.up);
        break;
      case "set_swarm":
        n.setSwarm(i.size);
        break;
      case "drain":
        n.drain();
        break;
      case "fetched":
        n.fetched(now, i, i.first, rigData(this.heads.get(name(i))!).subarray(i.first * blockSize, (i.first + i.count) * blockSize));
        break;
      case "fetch_failed":
        n.fetchFailed(now, i);
        break;
      default:
        throw new Error(`a trace with the input ${i.do}`);
    }
    return this.shown(n.effects());
  }

  private head(f: Fields): OpenHead {
    const h = rigHead(f as unknown as HeadFields);
    this.heads.set(name(h.entry), h);
    return h;
  }

  private message(f: Fields): Message {
    if (f.type === "Head") return this.head(f);
    if (f.type !== "Block") return messageOf(f);
    const b = f as unknown as Key & { index: number; data: string };
    const data = rigBlock(this.heads.get(name(b))!, b.index);
    if (b.data === "false") data[0]! ^= 1;
    return { type: "Block", r: b.r, epoch: b.epoch, n: b.n, index: b.index, data };
  }

  /** Writes effects as the traces do. */
  private shown(e: Effects): Record<string, unknown>[] {
    const key = (h: OpenHead) => ({ r: h.entry.r, epoch: h.entry.epoch, n: h.entry.n });
    return [
      ...e.send.map((s) => ({ do: "send", conn: s.to, message: this.shownMessage(s.message) })),
      ...e.drop.map((d) => ({ do: "drop", conn: d.conn, reason: d.reason, bans: bans(d.reason) })),
      ...e.heads.map((h) => ({ do: "head", ...key(h) })),
      ...e.pieces.map((p) => ({ do: "piece", ...key(p.head), bytes: p.bytes, duplicate: p.duplicate, rejected: p.rejected })),
      ...e.fetch.map((f) => ({ do: "fetch", ...key(f.head), first: f.first, last: f.last })),
      ...e.dial.map((h) => ({ do: "dial", id: h.id })),
    ];
  }

  private shownMessage(m: Message): Fields {
    if (m.type === "Head") return { type: "Head", ...headFields(m) };
    if (m.type !== "Block") return fields(m);
    const genuine = equal(m.data, rigBlock(this.heads.get(name(m))!, m.index));
    return { ...fields(m), data: genuine ? "genuine" : "false" };
  }
}

const name = (k: Key) => `${k.r}/${k.epoch}/${k.n}`;
