// What the viewer chose, remembered per server, so that nobody is asked twice.
import { type Choice, isMode } from "./consent.ts";

/** Raised when the modes come to mean something else: who chose before is then asked again. */
const version = 1;
const maxCap = 1e9; // bit/s; what storage holds beyond is none of ours

export interface Choices {
  get(): Choice;
  set(choice: Choice): void;
}

/** Choices that last as long as the browser keeps them; where it keeps nothing, as long as the page. `server` is the origin of the stream's address. */
export function browserChoices(server: string): Choices {
  let memory: Choice = { mode: null, upCap: 0 };
  const key = `shoal-choice:${server}`;
  return {
    get() {
      try {
        const kept = localStorage.getItem(key);
        if (kept !== null) return choiceFrom(JSON.parse(kept)) ?? memory;
      } catch {
        // Storage is switched off, or holds something else.
      }
      return memory;
    },
    set(choice) {
      memory = choice;
      try {
        localStorage.setItem(key, JSON.stringify({ v: version, mode: choice.mode, up: choice.upCap, quiet: choice.quiet }));
      } catch {
        // Remembered until the page is closed.
      }
    },
  };
}

/** Reads what storage held; null for what this version did not write. */
export function choiceFrom(value: unknown): Choice | null {
  if (typeof value !== "object" || value === null) return null;
  const { v, mode, up, quiet } = value as Record<string, unknown>;
  if (v !== version || !(mode === null || isMode(mode))) return null;
  return { mode, upCap: typeof up === "number" && up > 0 && up <= maxCap ? up : 0, ...(quiet === true ? { quiet } : {}) };
}
