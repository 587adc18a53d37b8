// The engine's file: a worker runs it in a thread of its own, so that neither the page's work nor its hidden tab
// holds blocks up. A page that can have no worker imports it.
import { Wire } from "../wire/wire.ts";
import { Host } from "./host.ts";
import { buffers, type Command, type Event } from "./protocol.ts";

export { Host, Wire };

declare const WorkerGlobalScope: (new () => WorkerSelf) | undefined;
interface WorkerSelf {
  postMessage(message: Event[], transfer: ArrayBuffer[]): void;
  onmessage: ((e: MessageEvent<Command[]>) => void) | null;
}

const worker: unknown = globalThis;
if (typeof WorkerGlobalScope !== "undefined" && worker instanceof WorkerGlobalScope) {
  const host = new Host(
    (o) => new Wire(o),
    (events) => worker.postMessage(events, buffers(events)),
  );
  worker.onmessage = (e) => host.take(e.data);
  worker.postMessage([], []); // it is here
}
