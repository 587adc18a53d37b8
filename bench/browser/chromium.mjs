// Chromium over its DevTools pipe, with no more asked of it than a benchmark needs: a
// client that listens to every request, as Playwright does, takes processor time of the
// browser, and more of it the more requests a page makes.
import { spawn } from "node:child_process";

const flags = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"],
  ...["--disable-sync", "--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"],
  // Windows that lie below others are as visible as the uppermost.
  ...["--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding"],
  // Nothing may leave this machine: public trackers and STUN servers have no address.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/** A running Chromium, its profile in the directory given. */
export class Chromium {
  #process;
  #next = 1;
  #asked = new Map(); // by id
  #listeners = [];
  #ended;

  constructor(profile) {
    this.#process = spawn(process.env.CHROMIUM ?? "/usr/bin/chromium", [...flags, "--remote-debugging-pipe", `--user-data-dir=${profile}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const [, , , to, from] = this.#process.stdio;
    to.on("error", () => {}); // that it ended is said below
    let rest = "";
    from.setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      for (const m of messages) this.#take(JSON.parse(m));
    });
    this.#ended = new Promise((done) => {
      const end = (why) => {
        for (const { reject } of this.#asked.values()) reject(new Error(`Chromium ended: ${why}`));
        this.#asked.clear();
        done();
      };
      this.#process.once("error", (e) => end(e.message)).once("exit", (code, signal) => end(code ?? signal));
    });
  }

  get pid() {
    return this.#process.pid;
  }

  /** Calls a DevTools method; fails with what Chromium answers, or when it ends. */
  send(method, params = {}, sessionId = undefined) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { method, resolve, reject });
      this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Calls listener(method, params, sessionId) with each event from now on. */
  listen(listener) {
    this.#listeners.push(listener);
  }

  #take({ id, method, params, sessionId, result, error }) {
    if (id === undefined) return this.#listeners.forEach((listener) => listener(method, params, sessionId));
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (error) asked?.reject(new Error(`${asked.method}: ${error.message}`));
    else asked?.resolve(result);
  }

  /** Opens an empty window of a profile of its own; script runs in every page before its own. */
  async window(script) {
    const { browserContextId } = await this.send("Target.createBrowserContext", { disposeOnDetach: true });
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId, newWindow: true, width: 480, height: 360 });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    await this.send("Page.enable", {}, sessionId);
    await this.send("Page.addScriptToEvaluateOnNewDocument", { source: script }, sessionId);
    return new Tab(this, browserContextId, targetId, sessionId);
  }

  async close() {
    await this.send("Browser.close").catch(() => {}); // it may be gone
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 5_000);
    await this.#ended;
    clearTimeout(timer);
  }
}

/** One page in a window and a profile of its own. */
export class Tab {
  constructor(chromium, browserContextId, targetId, sessionId) {
    Object.assign(this, { chromium, browserContextId, targetId, sessionId });
  }

  send(method, params) {
    return this.chromium.send(method, params, this.sessionId);
  }

  async goto(url) {
    const { errorText } = await this.send("Page.navigate", { url });
    if (errorText) throw new Error(`open ${url}: ${errorText}`);
  }

  /** Evaluates an expression in the page, and awaits what it promises at most so long. */
  async evaluate(expression, ms = 30_000) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${expression} took longer than ${ms} ms`)), ms);
    });
    const asked = this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    const { result, exceptionDetails } = await Promise.race([asked, late]).finally(() => clearTimeout(timer));
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /** Closes it as a person does: the page hears of it. */
  async close() {
    await this.chromium.send("Target.closeTarget", { targetId: this.targetId });
    await this.chromium.send("Target.disposeBrowserContext", { browserContextId: this.browserContextId });
  }
}
