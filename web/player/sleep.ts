/** Lets ms pass, or less when `signal` aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** A sleep that others can end. */
export class Nap {
  private woken = new AbortController();

  /** Waits, but not longer than until it is woken. */
  rest(ms: number, signal: AbortSignal): Promise<void> {
    this.woken = new AbortController();
    return sleep(ms, AbortSignal.any([signal, this.woken.signal]));
  }

  wake(): void {
    this.woken.abort();
  }
}
