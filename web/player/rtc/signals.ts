// What two peers tell each other through the swarm to make a connection, or to mend one (swarm/bt/signal.go is the native side): an
// offer or an answer with all its candidates.
import { type Bytes, text, utf8 } from "../bytes.ts";
import { object, string } from "../dsse.ts";
import { maxSignal } from "../swarm/messages.ts";
import { checkDescription } from "./descriptions.ts";

export interface RtcSignal {
  type: "offer" | "answer";
  /** Of the attempt, 32 hexadecimal digits. */
  id: string;
  sdp: string;
}

/** Writes a signal; null: it is longer than the swarm carries. */
export function writeSignal(s: RtcSignal): Bytes | null {
  const body = utf8(JSON.stringify({ type: s.type, id: s.id, sdp: s.sdp }));
  return body.length <= maxSignal ? body : null;
}

/** Reads a signal; it throws what is wrong with it. */
export function readSignal(body: Bytes): RtcSignal {
  if (body.length > maxSignal) throw new Error("a signal is longer than it may be");
  const o = object(JSON.parse(text(body)), "a signal");
  const type = o["type"];
  const id = string(o, "id");
  if ((type !== "offer" && type !== "answer") || !/^[0-9a-f]{32}$/i.test(id)) throw new Error("a signal is neither offer nor answer");
  return { type, id, sdp: checkDescription(o["sdp"]) };
}
