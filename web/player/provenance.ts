// What a page may say about who made the pictures, as a pure fold of what was found.

export type Provenance = "checking" | "verified" | "consistent" | "stale" | "broken";

/** What is known at this moment. */
export interface Findings {
  /** The link named the stream's id, and it is the one that plays. */
  idInLink: boolean;
  piecesVerified: number;
  /** What makes the proof fail; the first one found stays. */
  fault: Fault | null;
  /** Age of the newest advertised entry by the server's clock, null when offline or unknown. */
  ageMs: number | null;
  /** How old the newest may be, as the creator's session record says. */
  freshMs: number;
}

/** How far the clocks of a server and a sender may be apart. */
const skewMs = 5_000;

export type Fault =
  | { kind: "wrong-id"; wanted: string; got: string }
  | { kind: "key-changed"; before: string; now: string }
  | { kind: "bad-piece"; detail: string }
  | { kind: "bad-proof"; detail: string }
  | { kind: "fork"; detail: string };

export interface Verdict {
  state: Provenance;
  /** One plain sentence of what it means. */
  means: string;
  /** One plain sentence of what to do, empty when nothing needs doing. */
  advice: string;
}

export function judge(f: Findings): Verdict {
  if (f.fault) return { state: "broken", ...explain(f.fault) };
  if (f.ageMs !== null && f.ageMs < -skewMs) {
    return {
      state: "stale",
      means: "Signed by the creator, but dated in the future by this server's clock.",
      advice: "The clock of this server or of the sender is wrong; until it is right, nobody can say how fresh the pictures are.",
    };
  }
  if (f.ageMs !== null && f.ageMs > f.freshMs) {
    return {
      state: "stale",
      means: `Signed by the creator, but the newest piece this server offers is ${seconds(f.ageMs)} old.`,
      advice: "The sender or this server may have stopped, or is holding the stream back. It goes on by itself when newer pieces come.",
    };
  }
  if (f.piecesVerified === 0) {
    return { state: "checking", means: "Nothing has been played yet, so nothing has been checked.", advice: "" };
  }
  if (f.idInLink) {
    return {
      state: "verified",
      means: "Every piece you have seen was signed by the creator that your link names.",
      advice: "",
    };
  }
  return {
    state: "consistent",
    means: "Every piece you have seen was signed by one key, the same as on your first visit.",
    advice: "Your link does not say whose key it should be. Ask the creator for the full link, which ends in # and the stream id.",
  };
}

function explain(f: Fault): { means: string; advice: string } {
  switch (f.kind) {
    case "wrong-id":
      return {
        means: "This server offers another stream than the one your link names, so it is not played.",
        advice: "Do not trust this address. Ask the creator for a fresh link.",
      };
    case "key-changed":
      return {
        means: "Another key signs this stream than on your first visit, so it is not played.",
        advice: "Ask the creator, somewhere else than here, whether the key changed. A full link from them, ending in # and the stream id, settles it.",
      };
    case "bad-piece":
      return {
        means: "This server sent pictures that the creator did not sign. They were not played.",
        advice: "Try again. If it happens again, tell the creator: someone on the way changes the stream.",
      };
    case "bad-proof":
      return {
        means: "The proof that this server offers does not hold, so the stream is not played.",
        advice: "Try again. If it happens again, tell the creator which server you used.",
      };
    case "fork":
      return {
        means: "The creator's key signed two versions of the same moment, so none of them can be trusted.",
        advice: "Tell the creator: their session key may be in someone else's hands.",
      };
  }
}

function seconds(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s < 120) return `${s} seconds`;
  const min = Math.round(s / 60);
  return min < 120 ? `${min} minutes` : `${Math.round(min / 60)} hours`;
}
