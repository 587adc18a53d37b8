// Waits for a connection's own candidates, no longer than they are worth: offers and answers travel whole, without trickling, through
// trackers and through the swarm.
import { candidates } from "./descriptions.ts";

/** The longest that is waited; Chromium gives up on a STUN server that does not answer after 10 s. */
const mostMs = 1_500;
/**
 * After the candidate that was needed, for its like of other interfaces and servers: with 20 ms on a busy machine some were missed, and
 * two sides that each miss another one do not meet. Chromium takes 100 ms more to say that these were all: TCP's come last, which nobody can use.
 */
const settleMs = 50;

/** What is waited for: an address as the world sees it, or a relay's where nothing else may be told or may come after it. */
export interface Wanted {
  stun: boolean;
  turn: boolean;
  relayOnly: boolean;
}

/** What a list of servers lets us wait for. */
export function wanted(servers: RTCIceServer[], relayOnly: boolean): Wanted {
  const urls = servers.flatMap((s) => s.urls);
  return { stun: urls.some((u) => /^stuns?:/i.test(u)), turn: urls.some((u) => /^turns?:/i.test(u)), relayOnly };
}

/**
 * Resolves once the local description has the candidates that are worth waiting for. Call it before setLocalDescription.
 * Without servers that is once interfaces have told their addresses; with STUN, a moment after the first answer; with TURN, which takes
 * one round trip more, a little later.
 */
export function gathered(pc: RTCPeerConnection, w: Wanted): Promise<void> {
  return new Promise((resolve) => {
    const began = performance.now();
    let settle: ReturnType<typeof setTimeout> | undefined;
    const done = () => {
      clearTimeout(last);
      clearTimeout(settle);
      pc.removeEventListener("icecandidate", look);
      pc.removeEventListener("icegatheringstatechange", state);
      resolve();
    };
    const last = setTimeout(done, mostMs);
    const soon = (ms: number) => {
      clearTimeout(settle);
      settle = setTimeout(done, ms);
    };
    const look = (e: RTCPeerConnectionIceEvent) => {
      const sdp = pc.localDescription?.sdp ?? "";
      // Those of a description that was taken back may still come.
      if (!e.candidate || !sdp.includes(`a=ice-ufrag:${e.candidate.usernameFragment ?? ""}`)) return;
      const type = e.candidate.type;
      if (type === "relay" || (type === "host" && !w.stun && !w.turn)) soon(settleMs);
      else if (type === "srflx" && !w.relayOnly && !settle) soon(settleMs + (w.turn ? 3 * (performance.now() - began) : 0));
    };
    const state = () => {
      if (pc.iceGatheringState === "complete" && candidates(pc.localDescription?.sdp ?? "") > 0) done();
    };
    pc.addEventListener("icecandidate", look);
    pc.addEventListener("icegatheringstatechange", state);
  });
}
