// What tabs take of memory: their JavaScript heaps with those of their workers, array
// buffers included, and the resident memory of the processes that run them.
import { readFile } from "node:fs/promises";

export class Memory {
  #chromium;
  #workers = new Map(); // session of a worker -> session of its page
  #known = new Set(); // sessions of pages whose workers are known

  constructor(chromium) {
    this.#chromium = chromium;
    chromium.listen((method, params, sessionId) => {
      if (method === "Target.attachedToTarget" && params.targetInfo.type === "worker") this.#workers.set(params.sessionId, sessionId);
      if (method === "Target.detachedFromTarget") this.#workers.delete(params.sessionId);
    });
  }

  /** Collects garbage, and returns bytes: { heaps: one a tab, resident: of all renderer processes }. */
  async look(tabs) {
    for (const tab of tabs) {
      if (this.#known.has(tab.sessionId)) continue;
      this.#known.add(tab.sessionId);
      await tab.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: true });
    }
    const heaps = await Promise.all(tabs.map((tab) => this.#heap(tab.sessionId)));
    const { processInfo } = await this.#chromium.send("SystemInfo.getProcessInfo");
    const renderers = processInfo.filter((p) => p.type === "renderer");
    const resident = await Promise.all(renderers.map((p) => residentBytes(p.id)));
    return { heaps, resident: resident.reduce((sum, n) => sum + n, 0) };
  }

  async #heap(page) {
    let bytes = 0;
    const workers = [...this.#workers].filter(([, of]) => of === page).map(([session]) => session);
    for (const session of [page, ...workers]) {
      await this.#chromium.send("HeapProfiler.collectGarbage", {}, session);
      const { usedSize, backingStorageSize = 0 } = await this.#chromium.send("Runtime.getHeapUsage", {}, session);
      bytes += usedSize + backingStorageSize;
    }
    return bytes;
  }
}

async function residentBytes(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => ""); // it may have ended
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}
