// The worker's entry: the engine in a thread of its own, so that neither the page's work nor its hidden tab holds
// blocks up.
import { Wire } from "../wire/wire.ts";
import { Host } from "./host.ts";
import { buffers, type Command, type Event } from "./protocol.ts";

declare const self: Pick<DedicatedWorkerGlobalScope, "postMessage" | "onmessage">;
interface DedicatedWorkerGlobalScope {
  postMessage(message: Event[], transfer: ArrayBuffer[]): void;
  onmessage: ((e: MessageEvent<Command[]>) => void) | null;
}

const host = new Host(
  (o) => new Wire(o),
  (events) => self.postMessage(events, buffers(events)),
);
self.onmessage = (e) => host.take(e.data);
self.postMessage([], []); // it is here
