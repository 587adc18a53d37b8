import type { Message } from "./messages.ts";

/** Messages and bytes of frames that may wait for one connection's turn. */
const maxWaiting = 4096;
const maxUnread = 4 << 20;

interface Waiting {
  m: Message;
  size: number;
}

interface Queue {
  list: Waiting[];
  size: number; // bytes
}

/**
 * Stands before a node and hands it each connection's messages in the order in which they came, each once what may
 * be waited for of judging it was done ahead: browsers check signatures asynchronously, while a node decides at
 * once (see Signatures). What needs no waiting and has nothing before it passes at once; no connection waits for
 * another.
 */
export class Intake<Conn> {
  private readonly queues = new Map<Conn, Queue>();

  /** `prepare` is Trusted's; `take` is given what a node is to receive. Neither may throw. */
  constructor(
    private readonly prepare: (m: Message) => Promise<void> | undefined,
    private readonly take: (c: Conn, m: Message) => void,
  ) {}

  /** Takes in a message that came as a frame of `size` bytes. It reports false where too much waits: the connection is to be ended as flooding. */
  receive(c: Conn, m: Message, size: number): boolean {
    const queue = this.queues.get(c);
    if (queue) {
      if (queue.list.length >= maxWaiting || queue.size + size > maxUnread) return false;
      queue.list.push({ m, size });
      queue.size += size;
      return true;
    }
    const wait = this.prepare(m);
    if (!wait) {
      this.take(c, m);
      return true;
    }
    const begun: Queue = { list: [{ m, size }], size };
    this.queues.set(c, begun);
    void this.run(c, begun, wait);
    return true;
  }

  /** Forgets what waits of a connection that is gone. */
  closed(c: Conn): void {
    this.queues.delete(c);
  }

  private async run(c: Conn, queue: Queue, wait: Promise<void> | undefined): Promise<void> {
    for (;;) {
      if (wait) await wait.catch(() => undefined); // judging it will say what is wrong
      if (this.queues.get(c) !== queue) return;
      const next = queue.list.shift()!;
      queue.size -= next.size;
      this.take(c, next.m);
      if (queue.list.length === 0) break;
      wait = this.prepare(queue.list[0]!.m);
    }
    if (this.queues.get(c) === queue) this.queues.delete(c);
  }
}
