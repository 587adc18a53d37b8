// What stands over the picture when there is none, as a pure function of the state.
import type { State } from "../player.ts";
import type { Fault, Verdict } from "../provenance.ts";

export interface Notice {
  kind: "wait" | "off" | "broken";
  title: string;
  text: string;
  advice: string;
  facts: [string, string][];
  retry: boolean;
  trust: boolean;
}

const plain = { advice: "", facts: [] as [string, string][], retry: false, trust: false };

/** Null while there is a picture. */
export function notice(state: State, name: string, verdict: Verdict, fault: Fault | null): Notice | null {
  switch (state) {
    case "playing":
    case "paused":
      return null;
    case "loading":
      return { kind: "wait", title: "Connecting", text: "", ...plain };
    case "starting":
      return { kind: "wait", title: "Starting", text: `${name} is live.`, ...plain };
    case "offline":
      return { kind: "off", title: `${name} is offline`, text: "This page starts by itself when it goes live.", ...plain };
    case "unknown":
      return {
        kind: "off",
        title: `No stream is called ${name} here`,
        text: "Look at the address again. Should the stream be added later, this page starts by itself.",
        ...plain,
      };
    case "unreachable":
      return { kind: "off", title: "This server does not answer", text: "This page keeps trying, and starts by itself when it does.", ...plain };
    case "unplayable":
      return {
        kind: "broken",
        title: "This browser cannot play the stream",
        text: "Its codec may be missing here. Another browser, or the stream’s index.m3u8 in a video player, may do.",
        ...plain,
        retry: true,
      };
    case "broken":
      return {
        kind: "broken",
        title: "Not played: the proof is broken",
        text: verdict.means,
        advice: verdict.advice,
        facts: fault ? details(fault) : [],
        retry: fault?.kind !== "wrong-id" && fault?.kind !== "key-changed",
        trust: fault?.kind === "key-changed",
      };
  }
}

function details(fault: Fault): [string, string][] {
  switch (fault.kind) {
    case "wrong-id":
      return [
        ["Your link names", fault.wanted],
        ["This server has", fault.got],
      ];
    case "key-changed":
      return [
        ["Key before", fault.before],
        ["Key now", fault.now],
      ];
    default:
      return [];
  }
}
