// When a report is due: every few seconds, and at each change of what the player does.
import { goesOn } from "./playstate.ts";
import type { PlayState } from "./report.ts";

const everyMs = 5_000;
/** Between two reports at least, whatever happens. */
const leastMs = 1_000;
/** After a change that many viewers may see at once, the next is due within this part of the interval around it. */
const spread = 0.4;

export class Schedule {
  private next: number;
  private last = Number.NEGATIVE_INFINITY;

  /** Begins at `now` (ms), with a state that was there before. `random` is in [0, 1): viewers are not to report in step. */
  constructor(
    now: number,
    private told: PlayState,
    private readonly random: () => number = Math.random,
  ) {
    this.next = now + random() * everyMs;
  }

  /** Why a report is due at a moment: by time (`t`) or by a change (`ps`); null where none is. It counts as made. */
  due(now: number, state: PlayState): "t" | "ps" | null {
    if (now - this.last < leastMs) return null;
    const changed = state !== this.told;
    if (!changed && (now < this.next || !goesOn(state))) return null;
    this.told = state;
    this.last = now;
    this.next = now + (changed ? everyMs * (1 + spread * (this.random() - 0.5)) : everyMs);
    return changed ? "ps" : "t";
  }
}
