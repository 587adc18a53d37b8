// As much of the NATS client protocol as a page needs: to connect with a token, subscribe, publish, and be kept alive. The
// stock client is a third of this library's size.
import { type Bytes, concat, utf8 } from "../bytes.ts";

/** What a server says. Errors are its own words. */
export type Said = { op: "info" } | { op: "ping" } | { op: "pong" } | { op: "error"; why: string } | { op: "msg"; subject: string; data: Bytes };

/** A control line longer than this, or a message, is no answer to what a page asked. */
const maxLine = 8 << 10;
const maxMessage = 256 << 10;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Takes a server's bytes apart, in whatever pieces they come. */
export class Reader {
  private rest: Bytes = new Uint8Array();

  /** What is complete with these bytes. Throws where they are not the protocol's. */
  read(bytes: Bytes): Said[] {
    this.rest = this.rest.length === 0 ? bytes : concat(this.rest, bytes);
    const said: Said[] = [];
    for (let next = this.next(); next !== null; next = this.next()) if (next !== "ok") said.push(next);
    return said;
  }

  private next(): Said | "ok" | null {
    const end = this.rest.indexOf(13);
    if (end < 0 || end + 1 >= this.rest.length) {
      if (this.rest.length > maxLine) throw new Error("a line without an end");
      return null;
    }
    if (this.rest[end + 1] !== 10 || end > maxLine) throw new Error("a line that does not end");
    const line = decoder.decode(this.rest.subarray(0, end));
    const [op = ""] = line.split(/[ \t]/, 1);
    if (op.toUpperCase() === "MSG") return this.message(line, end + 2);
    this.rest = this.rest.subarray(end + 2);
    switch (op.toUpperCase()) {
      case "INFO":
        return { op: "info" };
      case "PING":
        return { op: "ping" };
      case "PONG":
        return { op: "pong" };
      case "+OK":
        return "ok";
      case "-ERR":
        return { op: "error", why: line.slice("-ERR".length).trim().replace(/^'|'$/g, "") };
    }
    throw new Error(`unknown operation ${op.slice(0, 16)}`);
  }

  /** MSG <subject> <sid> [reply-to] <bytes>, then so many bytes and a line's end. */
  private message(line: string, from: number): Said | null {
    const words = line.split(/[ \t]+/);
    const size = Number(words.at(-1));
    if (words.length < 4 || words.length > 5 || !Number.isInteger(size) || size < 0 || size > maxMessage) throw new Error("a message that cannot be");
    if (this.rest.length < from + size + 2) return null;
    if (this.rest[from + size] !== 13 || this.rest[from + size + 1] !== 10) throw new Error("a message that does not end");
    const data = this.rest.slice(from, from + size);
    this.rest = this.rest.subarray(from + size + 2);
    return { op: "msg", subject: words[1]!, data };
  }
}

/** The first line of a client: who it is, by a token that its bearer need not sign for. */
export function connect(jwt: string): Bytes {
  const options = { verbose: false, pedantic: false, echo: false, headers: false, protocol: 1, lang: "shoal", version: "1", name: "page", jwt };
  return utf8(`CONNECT ${JSON.stringify(options)}\r\n`);
}

export const ping = utf8("PING\r\n");
export const pong = utf8("PONG\r\n");

export function subscribe(subject: string, sid: number): Bytes {
  return utf8(`SUB ${subject} ${sid}\r\n`);
}

export function unsubscribe(sid: number): Bytes {
  return utf8(`UNSUB ${sid}\r\n`);
}

/** A message, and where its answer is to go. */
export function publish(subject: string, reply: string, payload: Bytes): Bytes {
  return concat(utf8(`PUB ${subject} ${reply} ${payload.length}\r\n`), payload, utf8("\r\n"));
}
