// The player alone, for frames in other people's pages: /embed/<name>#<stream id>.
import { addressOf, pageOf } from "../player/address.ts";
import { viewHere } from "./here.ts";

const address = addressOf(location.href);
document.title = `${address?.name ?? "Live"} · Shoal`;
viewHere({ framed: true, page: address ? pageOf(address) : "/" });
