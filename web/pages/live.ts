// The player page, /live/<name>#<stream id>: the viewer, and beside it who made the stream.
import { addressOf } from "../player/address.ts";
import type { Verdict } from "../player/provenance.ts";
import { finder, icon, write } from "../player/ui/dom.ts";
import { quality, thousands } from "../player/ui/words.ts";
import type { View } from "../player/view.ts";
import { viewHere } from "./here.ts";

const el = finder(document);
const name = addressOf(location.href)?.name ?? "";

write(el("name"), name);
document.title = `${name} · Shoal`;
viewHere({
  framed: false,
  drawn: (v, verdict) => {
    drawProof(v, verdict);
    write(el("quality"), quality(v));
  },
});

function drawProof(s: View, verdict: Verdict): void {
  el("proof").dataset["state"] = verdict.state;
  icon(el("proof"), verdict.state);
  write(el("badge"), verdict.state);
  write(el("means"), verdict.means);
  write(el("advice"), verdict.advice);
  el("advice").hidden = verdict.advice === "";
  el("facts").hidden = s.key === null;
  write(el("key"), s.key ?? "–");
  write(el("stream"), s.streamId ?? "–");
  write(el("pieces"), pieces(s));
}

function pieces(s: View): string {
  if (s.piecesVerified + s.piecesRejected === 0) return "none checked yet";
  return `${thousands(s.piecesVerified)} verified, ${s.piecesRejected === 0 ? "none" : thousands(s.piecesRejected)} rejected`;
}
