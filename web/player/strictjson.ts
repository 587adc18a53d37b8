// JSON as signed documents must be written: no key twice, every number an integer
// that a double holds exactly. JSON.parse lets both pass, and two verifiers that
// disagree about what a document says are no verifiers.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const maxDepth = 16;
const most = 2n ** 53n;

/** Parses one strict JSON document; throws an Error that says what is wrong. */
export function parseStrict(source: string): Json {
  // JSON.parse has the grammar; the walk below has only what it does not check.
  const parsed = JSON.parse(source) as Json;
  new Walk(source).document();
  return parsed;
}

/** Walk goes once over text that is known to be JSON. */
class Walk {
  private at = 0;

  constructor(private readonly source: string) {}

  document(): void {
    this.value(0);
  }

  private value(depth: number): void {
    if (depth > maxDepth) throw new Error("nested too deeply");
    switch (this.peek()) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        this.string();
        return;
      default:
        this.scalar();
    }
  }

  private object(depth: number): void {
    const seen = new Set<string>();
    this.at++;
    while (this.peek() !== "}") {
      const key = this.string();
      if (key === "__proto__") throw new Error("a key may not be __proto__");
      if (seen.has(key)) throw new Error(`the key ${key} stands twice`);
      seen.add(key);
      this.peek();
      this.at++; // ":"
      this.value(depth + 1);
      if (this.peek() === ",") this.at++;
    }
    this.at++;
  }

  private array(depth: number): void {
    this.at++;
    while (this.peek() !== "]") {
      this.value(depth + 1);
      if (this.peek() === ",") this.at++;
    }
    this.at++;
  }

  private string(): string {
    this.peek();
    const from = this.at++;
    while (this.source[this.at] !== '"') this.at += this.source[this.at] === "\\" ? 2 : 1;
    this.at++;
    return JSON.parse(this.source.slice(from, this.at)) as string;
  }

  private scalar(): void {
    const token = /[^\s,\]}]+/y;
    token.lastIndex = this.at;
    const word = token.exec(this.source)?.[0] ?? "";
    this.at += word.length;
    if (word === "true" || word === "false" || word === "null") return;
    if (!/^-?[0-9]+$/.test(word) || BigInt(word) > most || BigInt(word) < -most) {
      throw new Error(`${word} is not an integer of at most 2^53`);
    }
  }

  /** Skips white space and returns the next character. */
  private peek(): string {
    while (" \t\r\n".includes(this.source[this.at] ?? "x")) this.at++;
    return this.source[this.at] ?? "";
  }
}
