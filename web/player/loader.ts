// hls.js's way to media: every init segment, piece and segment comes from a Session,
// so Media Source Extensions only ever see verified bytes.
import type { FragmentLoaderContext, Loader, LoaderCallbacks, LoaderConfiguration, LoaderStats } from "hls.js";
import { HttpError } from "./origin.ts";
import { type Verified, type Wanted, wanted } from "./source.ts";

export interface LoaderHooks {
  /** Verified bytes. */
  get(url: string, what: Wanted, signal: AbortSignal): Promise<Verified>;
  /** They are about to be handed to hls.js. */
  delivered(url: string, got: Verified): void;
  /** Loading failed for a reason other than the network. */
  failed(err: unknown): void;
}

type Make = new () => Loader<FragmentLoaderContext>;

/** Makes the loader class that hls.js instantiates for each request. */
export function fragmentLoader(hooks: LoaderHooks): Make {
  return class VerifyingLoader implements Loader<FragmentLoaderContext> {
    context: FragmentLoaderContext | null = null;
    stats: LoaderStats = freshStats();
    private abortion = new AbortController();
    private callbacks: LoaderCallbacks<FragmentLoaderContext> | null = null;

    load(context: FragmentLoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<FragmentLoaderContext>): void {
      this.context = context;
      this.callbacks = callbacks;
      this.stats.loading.start = performance.now();
      const timeout = setTimeout(() => {
        if (this.settle()) callbacks.onTimeout(this.stats, context, null);
      }, config.loadPolicy.maxLoadTimeMs);
      void this.run(context, callbacks).finally(() => clearTimeout(timeout));
    }

    abort(): void {
      const callbacks = this.callbacks;
      if (!callbacks || !this.settle()) return;
      this.stats.aborted = true;
      callbacks.onAbort?.(this.stats, this.context!, null);
    }

    destroy(): void {
      this.settle();
      this.context = null;
    }

    getCacheAge(): number | null {
      return null;
    }

    getResponseHeader(): string | null {
      return null;
    }

    private async run(context: FragmentLoaderContext, callbacks: LoaderCallbacks<FragmentLoaderContext>): Promise<void> {
      const { url } = context;
      try {
        const what = wanted(url);
        if (!what) throw new Error(`the playlist names ${url}, which is no media of this stream`);
        const got = await hooks.get(url, what, this.abortion.signal);
        if (!this.settle(false)) return;
        const size = got.bytes.byteLength;
        const now = performance.now();
        Object.assign(this.stats, { loaded: size, total: size, chunkCount: 1 });
        // As if asked for when it began to come: neither the origin's holding it nor its having been fetched ahead tells
        // how fast the network is.
        this.stats.loading.start = this.stats.loading.first = now - Math.max(1, got.ms);
        this.stats.loading.end = now;
        hooks.delivered(url, got);
        callbacks.onSuccess({ url, data: exact(got), code: 200 }, this.stats, context, null);
      } catch (err) {
        if (!this.settle()) return;
        if (!(err instanceof HttpError || err instanceof TypeError)) hooks.failed(err);
        const code = err instanceof HttpError ? err.status : 0;
        callbacks.onError({ code, text: (err as Error).message }, context, null, this.stats);
      }
    }

    /** Ends this request; false when it had ended before. */
    private settle(abort = true): boolean {
      const open = this.callbacks !== null;
      this.callbacks = null;
      if (abort) this.abortion.abort();
      return open;
    }
  };
}

function exact(got: Verified): ArrayBuffer {
  const { bytes } = got;
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
}

export function freshStats(): LoaderStats {
  return {
    aborted: false,
    loaded: 0,
    retry: 0,
    total: 0,
    chunkCount: 0,
    bwEstimate: 0,
    loading: { start: 0, first: 0, end: 0 },
    parsing: { start: 0, end: 0 },
    buffering: { start: 0, first: 0, end: 0 },
  };
}
