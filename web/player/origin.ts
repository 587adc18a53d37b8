// The origin's HTTP side, as a page uses it: manifest, time, list of streams. What it
// answers is believed nowhere in here: verifying is for trust.ts and source.ts.
import { type Pass, passFrom } from "./bus/pass.ts";
import { isConsent, type Policy } from "./consent.ts";
import { type Envelope, envelopeFrom, object, string } from "./dsse.ts";

/** The origin answered, but not with what was asked for. */
export class HttpError extends Error {
  override name = "HttpError";

  constructor(
    readonly status: number,
    readonly said: string,
  ) {
    super(`the server answered ${status}${said ? `: ${said}` : ""}`);
  }
}

/** Reports whether an error of a request means that the origin does not answer, rather than what it answers. */
export function isDown(err: unknown): boolean {
  if (err instanceof HttpError) return err.status >= 500;
  return err instanceof TypeError || (err instanceof DOMException && err.name === "TimeoutError");
}

/** Reports whether a request was given up. */
export function isTimeout(err: unknown): boolean {
  return err instanceof DOMException && (err.name === "TimeoutError" || err.name === "AbortError");
}

export interface RenditionInfo {
  codecs: string;
  width: number;
  height: number;
  entries: Envelope[];
}

/** manifest.json, read but not verified. */
export interface Manifest {
  live: boolean;
  genesis: Envelope;
  rotations: Envelope[];
  sessions: Envelope[];
  renditions: Map<string, RenditionInfo>;
  policy: Policy;
  /** Where the stream's peers meet. */
  trackers: string[];
  /** STUN and TURN servers for WebRTC. */
  ice: RTCIceServer[];
  /** Where a pass for NATS is to be had, relative to the stream's page; null where there is none. */
  pass: string | null;
  /** The operator wants to know how it plays. */
  telemetry: boolean;
}

export interface Listed {
  name: string;
  streamId: string;
  live: boolean;
  since: number; // Unix ms, 0 when not live
  width: number;
  height: number;
}

/** What part of the manifest is wanted, of one rendition the present if nothing else is said; all of the present when left out. */
export type Query =
  | { r: string }
  | { r: string; epoch: number; from: number; to: number }
  | { r: string; after: { epoch: number; n: number } };

const requestMs = 8_000; // a blocking request takes up to 5 s

export class Origin {
  /** base is the address that "live/<name>/…" and "api/v1/…" are relative to. */
  constructor(
    readonly base: URL,
    private readonly name: string,
  ) {}

  url(path: string): string {
    return new URL(`live/${this.name}/${path}`, this.base).href;
  }

  async manifest(query?: Query, signal?: AbortSignal): Promise<Manifest> {
    const q = new URLSearchParams();
    if (query) {
      q.set("r", query.r);
      if ("after" in query) {
        q.set("after", `${query.after.epoch}.${query.after.n}`);
      } else if ("epoch" in query) {
        q.set("epoch", String(query.epoch));
        q.set("from", String(query.from));
        q.set("to", String(query.to));
      }
    }
    const path = query ? `manifest.json?${q}` : "manifest.json";
    return manifestFrom(await getJson(this.url(path), signal));
  }

  /** The names of the renditions that can be played now, in few bytes: as the multivariant playlist has them. */
  async offered(signal?: AbortSignal): Promise<string[]> {
    const text = await getText(this.url("index.m3u8"), signal);
    return [...text.matchAll(/^([a-z][a-z0-9]{0,15})\/index\.m3u8$/gm)].map((m) => m[1]!);
  }

  /** Lets this page subscribe to the stream's entries for a while. */
  async pass(path: string, signal?: AbortSignal): Promise<Pass> {
    return passFrom(await getJson(this.url(path), signal));
  }

  /** Where reports go over HTTP. */
  get telemetry(): string {
    return new URL("api/v1/telemetry", this.base).href;
  }

  /** Unix ms by the server's clock. */
  time(signal?: AbortSignal): Promise<number> {
    return getTime(this.base, signal);
  }
}

export async function getTime(base: URL, signal?: AbortSignal): Promise<number> {
  const now = object(await getJson(new URL("api/v1/time", base).href, signal), "the time")["now"];
  if (typeof now !== "number" || !Number.isFinite(now)) throw new Error("the server does not say what time it is");
  return now;
}

export async function getStreams(base: URL, signal?: AbortSignal): Promise<Listed[]> {
  const list = await getJson(new URL("api/v1/streams", base).href, signal);
  if (!Array.isArray(list)) throw new Error("the list of streams is not a list");
  return list.map((item) => {
    const o = object(item, "a stream");
    return {
      name: string(o, "name"),
      streamId: string(o, "stream_id"),
      live: o["live"] === true,
      since: number(o["since"]),
      width: number(o["width"]),
      height: number(o["height"]),
    };
  });
}

function manifestFrom(value: unknown): Manifest {
  const o = object(value, "the manifest");
  if (o["v"] !== 1) throw new Error("this page reads version 1 of the manifest only");
  const renditions = new Map<string, RenditionInfo>();
  for (const [r, info] of Object.entries(object(o["renditions"] ?? {}, "renditions"))) {
    const i = object(info, "a rendition");
    renditions.set(r, {
      codecs: typeof i["codecs"] === "string" ? i["codecs"] : "",
      width: number(i["width"]),
      height: number(i["height"]),
      entries: list(i["entries"]),
    });
  }
  return {
    live: o["live"] === true,
    genesis: envelopeFrom(o["genesis"]),
    rotations: list(o["rotations"]),
    sessions: list(o["sessions"]),
    renditions,
    policy: policyFrom(o),
    trackers: Array.isArray(o["trackers"]) ? o["trackers"].filter((t) => typeof t === "string") : [],
    ice: Array.isArray(o["ice"]) ? o["ice"].flatMap(iceServerFrom) : [],
    pass: typeof o["pass"] === "string" ? o["pass"] : null,
    telemetry: o["telemetry"] === true,
  };
}

/** What is no ICE server is left out. */
function iceServerFrom(value: unknown): RTCIceServer[] {
  const { urls, username, credential } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (!Array.isArray(urls) || !urls.every((u) => typeof u === "string" && /^(stun|turn)s?:/.test(u))) return [];
  return [{ urls, ...(typeof username === "string" && typeof credential === "string" ? { username, credential } : {}) }];
}

/** A server that says nothing of consent has no swarm for pages: there is nothing to consent to. */
function policyFrom(o: Record<string, unknown>): Policy {
  const said = o["consent"];
  return {
    consent: said === undefined ? "edge" : isConsent(said) ? said : "ask",
    sensitive: o["sensitive"] === true,
    relay: o["relay"] === true,
  };
}

function list(value: unknown): Envelope[] {
  return Array.isArray(value) ? value.map(envelopeFrom) : [];
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

async function getJson(url: string, signal?: AbortSignal): Promise<unknown> {
  return (await get(url, signal)).json();
}

export async function getText(url: string, signal?: AbortSignal): Promise<string> {
  return (await get(url, signal)).text();
}

async function get(url: string, signal?: AbortSignal): Promise<Response> {
  const timeout = AbortSignal.timeout(requestMs);
  const response = await fetch(url, { cache: "no-store", signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
  if (!response.ok) throw await httpError(response);
  return response;
}

export async function httpError(response: Response): Promise<HttpError> {
  let said = "";
  try {
    said = string(object(await response.json(), "the error"), "error");
  } catch {
    // The status says enough.
  }
  return new HttpError(response.status, said);
}
