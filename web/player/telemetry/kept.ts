// Reports that are not known to have been received, in order.

/** A minute of them: who was away for longer tells of the newest. */
const most = 12;

export class Kept {
  /** How many had to be let go of. */
  dropped = 0;
  private lines: string[] = [];

  add(line: string): void {
    this.lines.push(line);
    if (this.lines.length <= most) return;
    this.lines.shift();
    this.dropped++;
  }

  /** The oldest, at most so many. */
  first(count: number = most): string[] {
    return this.lines.slice(0, count);
  }

  /** These were received; each has a number, so none is another. */
  received(lines: readonly string[]): void {
    this.lines = this.lines.filter((line) => !lines.includes(line));
  }

  /** These will never be taken. */
  refused(lines: readonly string[]): void {
    const before = this.lines.length;
    this.received(lines);
    this.dropped += before - this.lines.length;
  }

  /** Lets go of all. */
  clear(): void {
    this.lines = [];
  }
}
