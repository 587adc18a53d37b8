// What a page may do for the swarm at this moment, as a pure function of what the
// operator allows, what the viewer chose and where the page runs.

/**
 * How far a viewer takes part. `share` takes from other viewers and gives to them;
 * `download` takes and gives nothing; `edge` has bytes from our own servers only or, where
 * the operator runs a relay (TURN, RFC 8656) and the viewer chose so, from others through it,
 * so that nobody else learns the viewer's address.
 */
export type Mode = "share" | "download" | "edge";

/**
 * What the operator says in manifest.json: `ask` leaves all to the viewer and begins with
 * `edge`; the others say both where a viewer begins without being asked and the most that
 * is done here.
 */
export type Consent = "ask" | Mode;

/** Why less is done than was chosen or is usual. */
export type Limit = "" | "sensitive" | "metered" | "battery" | "unsupported";

/** What the operator of a stream allows. */
export interface Policy {
  consent: Consent;
  /** The operator says that watching this stream is nobody else's business. */
  sensitive: boolean;
  /** There is a TURN server for pages. */
  relay: boolean;
}

/** What the viewer chose, kept per server. */
export interface Choice {
  /** Null until the viewer was asked. */
  mode: Mode | null;
  /** The most to upload, bit/s; 0 sets no cap. */
  upCap: number;
  /** Nothing is to be told of how it plays. */
  quiet?: boolean;
}

/** Where the page runs, as far as the browser says. */
export interface Surroundings {
  webrtc: boolean;
  /** Bytes cost money, or the viewer asked for few of them. */
  metered: boolean;
  /** The tab has been hidden for a while, and the machine runs on its battery. */
  hiddenOnBattery: boolean;
}

/** What is in force now. */
export interface Allowed {
  mode: Mode;
  limit: Limit;
  /** Peers only through TURN. With mode `edge` and without this, there are no peers. */
  relayOnly: boolean;
  /** bit/s that may be given: 0 is nothing, Infinity has no cap. */
  up: number;
  /** The viewer has not chosen yet and should be asked. */
  ask: boolean;
  /** The most that the viewer can choose here; `edge`: there is nothing to choose. */
  most: Mode;
}

const ranks: Record<Mode, number> = { edge: 0, download: 1, share: 2 };
const scopes: Record<Consent, { begin: Mode; most: Mode }> = {
  ask: { begin: "edge", most: "share" },
  share: { begin: "share", most: "share" },
  download: { begin: "download", most: "download" },
  edge: { begin: "edge", most: "edge" },
};

/**
 * Decides what may be done. `embedder` is what a page that embeds the player says for its
 * visitors: it lowers what the operator allows and never raises it.
 */
export function allowed(policy: Policy, choice: Choice, around: Surroundings, embedder: Consent = "share"): Allowed {
  const most = lower(scopes[policy.consent].most, scopes[embedder].most);
  const begin = lower(scopes[policy.consent].begin, scopes[embedder].begin);
  const servers = { mode: "edge" as const, relayOnly: false, up: 0, ask: false, most };
  if (policy.sensitive) return { ...servers, limit: "sensitive", most: "edge" };
  if (most === "edge") return { ...servers, limit: "" };
  if (!around.webrtc) return { ...servers, limit: "unsupported" };

  const ask = choice.mode === null && ranks[begin] < ranks[most];
  const mode = choice.mode === null ? begin : lower(choice.mode, most);
  const relayOnly = choice.mode === "edge" && policy.relay;
  if (mode === "edge" && !relayOnly) return { ...servers, limit: "", ask };
  const limit = around.metered ? "metered" : around.hiddenOnBattery ? "battery" : "";
  if (limit) return { ...servers, limit, ask };
  return { mode, limit, relayOnly, up: mode === "share" ? choice.upCap || Number.POSITIVE_INFINITY : 0, ask, most };
}

export function isMode(value: unknown): value is Mode {
  return value === "share" || value === "download" || value === "edge";
}

export function isConsent(value: unknown): value is Consent {
  return value === "ask" || isMode(value);
}

function lower(a: Mode, b: Mode): Mode {
  return ranks[a] < ranks[b] ? a : b;
}
