// What JetStream answers to a message that it was to keep.
import type { Bytes } from "../bytes.ts";

const decoder = new TextDecoder();

/** Reports whether it is kept; null where this is no such answer. */
export function answerFrom(data: Bytes): boolean | null {
  let said: unknown;
  try {
    said = JSON.parse(decoder.decode(data));
  } catch {
    return null;
  }
  if (typeof said !== "object" || said === null) return null;
  if ("error" in said) return false;
  return "stream" in said && "seq" in said ? true : null;
}
