// Any message at all, for property tests.
import fc from "fast-check";
import { hex } from "../../player/bytes.ts";
import { isMapped } from "../../player/swarm/codec.ts";
import { everyLane, Mask } from "../../player/swarm/masks.ts";
import { type Address, maxHeads, maxHints, maxInit, maxNumber, maxRun, type Message, roles } from "../../player/swarm/messages.ts";

export const anyBytes = (least: number, most: number) => fc.uint8Array({ minLength: least, maxLength: most }).map((b) => new Uint8Array(b));
const exact = (n: number) => anyBytes(n, n);
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const peer = exact(16).map(hex);
const role = fc.constantFrom(...roles);
const root = exact(32).map(hex);
const r = fc.stringMatching(/^[a-c][0-3]{0,2}$/);
const lanes = fc.integer({ min: 0, max: everyLane });
const perLane = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 5, maxLength: 5 });
const mask = fc.array(fc.nat(255), { minLength: 1, maxLength: 20 }).map((list) => Mask.of(...list));
const key = fc.record({ r, epoch: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: maxNumber })), n: fc.integer({ min: 0, max: maxNumber - maxRun }) });
const address: fc.Arbitrary<Address | null> = fc.option(
  fc.record({ ip: fc.oneof(exact(4), exact(16)), port: fc.integer({ min: 1, max: 0xffff }) }).filter((a) => !isMapped(a.ip)),
);
const init = fc
  .integer({ min: 1, max: maxInit })
  .chain((total) => fc.integer({ min: 0, max: total - 1 }).chain((offset) => fc.record({ root, total: fc.constant(total), offset: fc.constant(offset), data: anyBytes(1, Math.min(64, total - offset)) })));

function of<T extends Message["type"]>(type: T, ...parts: fc.Arbitrary<object>[]): fc.Arbitrary<Message> {
  return fc.tuple(...parts).map((list) => Object.assign({ type }, ...list) as Message);
}

/** One arbitrary for each kind of message. */
export const anyKind: fc.Arbitrary<Message>[] = [
  of("Hello", fc.record({ version: fc.nat(255), stream: fc.stringMatching(/^[a-z2-7]{32}$/), id: peer, role, leaf: fc.boolean(), up: u32 })),
  of("Head", fc.record({ payload: anyBytes(1, 600), sig: exact(64), keyId: exact(8).map(hex), leaves: fc.array(exact(32), { maxLength: 256 }) })),
  of("Block", key, fc.record({ index: fc.nat(255), data: fc.oneof(anyBytes(1, 40), fc.integer({ min: 1, max: 16384 }).map((n) => new Uint8Array(n))) })),
  of("Have", key, fc.record({ count: fc.integer({ min: 1, max: maxRun }) })),
  of("Want", key, fc.record({ blocks: mask })),
  of("Cancel", key, fc.record({ blocks: mask })),
  of("Deny", key, fc.record({ blocks: mask })),
  of("GetHeads", key, fc.record({ count: fc.integer({ min: 1, max: maxHeads }) })),
  of("Subscribe", fc.record({ r, lanes, urgent: fc.boolean() })),
  of("Grant", fc.record({ r, lanes })),
  of("Peers", fc.record({ hints: fc.array(fc.record({ id: peer, role, address }), { maxLength: maxHints }) })),
  of("State", fc.record({ r, depth: perLane, branch: perLane, spare: fc.nat(0xffff), least: u32, open: lanes })),
  of("Credit", fc.record({ limit: fc.integer({ min: 0, max: maxNumber }) })),
  of("Ping", fc.record({ token: u32 })),
  of("Pong", fc.record({ token: u32 })),
  of("Drain"),
  of("GetRecords"),
  of("Records", fc.record({ envelopes: fc.array(anyBytes(1, 300), { maxLength: 64 }) })),
  of("GetInit", fc.record({ root })),
  of("Init", fc.oneof(init, fc.record({ root, total: fc.constant(0), offset: fc.constant(0), data: fc.constant(new Uint8Array(0)) }))),
  of("Signal", fc.record({ from: peer, to: peer, body: anyBytes(1, 300) })),
  of("Bye", fc.record({ reason: fc.nat(255) })),
];

export const anyMessage = fc.oneof(...anyKind);
