// What a player does, in the words of reports.
import type { State } from "../moment.ts";
import type { PlayState } from "./report.ts";

/** What the state is read from. */
export interface Doing {
  state: State;
  seeking: boolean;
  stalled: boolean;
}

export function playState({ state, seeking, stalled }: Doing): PlayState {
  switch (state) {
    case "loading":
    case "starting":
      return "s";
    case "playing":
      return seeking ? "k" : stalled ? "r" : "p";
    case "paused":
      return "a";
    case "offline":
      return "w";
    default:
      return "f";
  }
}

/** Reports whether a state goes on by itself, so that there is something to tell every few seconds. */
export function goesOn(state: PlayState): boolean {
  return state !== "w" && state !== "e" && state !== "f" && state !== "q";
}
