// The page's side of the engine: starts it in a worker, or in the page where none can be had, and hands over
// what each tells the other.
import { buffers, type Command, type Event, own } from "./protocol.ts";
import type { MakeWire } from "./wires.ts";

/** The engine's code, in a file of its own. */
const file = new URL("./worker.ts", import.meta.url);

/** In which a worker must have loaded. */
const loadMs = 10_000;
/** Commands that wait for the engine to be there. */
const mostWaiting = 4096;

/** Takes the engine's events, by their names. */
export type EngineEvents = { [Is in Event["is"]]?: (e: Extract<Event, { is: Is }>) => void };

export interface EngineOptions {
  on: EngineEvents;
  /** Makes the worker; throws where there can be none. For pages that have its file elsewhere, and for tests. */
  worker?: () => Worker;
  /** Makes wires where the engine runs in the page; the real ones where it is left out. */
  makeWire?: MakeWire;
}

interface Side {
  post(commands: Command[]): void;
  end(): void;
}

/**
 * One stream's engine. It works the same in a worker and in the page: commands of one turn go out together, events
 * come in later turns. An engine that fails says so once, as `trouble`, and is silent from then on.
 */
export class Engine {
  private side: Side | null = null;
  private waiting: Command[] = [];
  private posting = false;
  private over = false;

  constructor(private readonly o: EngineOptions) {
    void this.start();
  }

  /** Tells the engine something. Buffers of `bytes` are the engine's from then on, where they are wholly in use. */
  tell(c: Command): void {
    if (this.over) return;
    if (this.waiting.length >= mostWaiting) {
      this.fail("the swarm's engine does not take what it is told");
      return;
    }
    this.waiting.push("bytes" in c ? { ...c, bytes: own(c.bytes) } : c);
    this.soon();
  }

  /** Ends it at once; tell({ do: "end" }) lets it take its leave before. */
  close(): void {
    this.over = true;
    this.waiting = [];
    this.side?.end();
  }

  private soon(): void {
    if (this.posting || !this.side) return;
    this.posting = true;
    queueMicrotask(() => {
      this.posting = false;
      const commands = this.waiting.splice(0);
      if (!this.over && commands.length > 0) this.side!.post(commands);
    });
  }

  private async start(): Promise<void> {
    try {
      this.side = (await this.inWorker()) ?? (await this.inPage());
    } catch (e) {
      this.fail((e as Error).message);
      return;
    }
    if (this.over) this.side.end();
    else this.soon();
  }

  /** Starts a worker; null where the browser or the page's rules allow none. */
  private inWorker(): Promise<Side | null> {
    let worker: Worker;
    try {
      worker = this.o.worker ? this.o.worker() : new Worker(file, { type: "module" });
    } catch {
      return Promise.resolve(null);
    }
    return new Promise((resolve) => {
      const none = () => {
        worker.terminate();
        resolve(null);
      };
      const timer = setTimeout(none, loadMs);
      worker.onerror = (e) => {
        e.preventDefault?.();
        clearTimeout(timer);
        none();
      };
      worker.onmessage = () => {
        clearTimeout(timer);
        worker.onmessage = (e: MessageEvent<Event[]>) => this.dispatch(e.data);
        worker.onmessageerror = () => this.fail("what its engine said cannot be read");
        worker.onerror = (e) => {
          e.preventDefault?.();
          worker.terminate();
          this.fail(e.message);
        };
        resolve({ post: (commands) => worker.postMessage(commands, buffers(commands)), end: () => worker.terminate() });
      };
    });
  }

  private async inPage(): Promise<Side> {
    const { Host, Wire } = (await import(/* webpackIgnore: true */ /* @vite-ignore */ file.href)) as typeof import("./worker.ts");
    const makeWire: MakeWire = this.o.makeWire ?? ((o) => new Wire(o));
    // As a worker's messages would; timers wait for long in a hidden tab.
    const { port1, port2 } = new MessageChannel();
    const host = new Host(makeWire, (events) => port1.postMessage(events, buffers(events)));
    port1.onmessage = (e: MessageEvent<Command[]>) => host.take(e.data);
    port2.onmessage = (e: MessageEvent<Event[]>) => this.dispatch(e.data);
    const end = () => {
      host.end();
      port2.close();
    };
    return { post: (commands) => port2.postMessage(commands, buffers(commands)), end };
  }

  private dispatch(events: Event[]): void {
    for (const e of events) {
      if (this.over) return;
      (this.o.on[e.is] as ((e: Event) => void) | undefined)?.(e);
      if (e.is === "trouble" || e.is === "ended") this.close();
    }
  }

  private fail(why: string): void {
    this.dispatch([{ is: "trouble", sentence: `The swarm cannot go on: ${why}. Video comes from the server alone.` }]);
  }
}
