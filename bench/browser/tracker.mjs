// bittorrent-tracker's own WebTorrent tracker on loopback; prints its address and runs
// until its standard input ends.
import Server from "bittorrent-tracker/server";

const server = new Server({ udp: false, ws: true, http: true, stats: false });
server.on("error", (e) => console.error(e));
server.listen(0, "127.0.0.1", () => console.log(`ws://127.0.0.1:${server.ws.address().port}`));
process.stdin.on("end", () => process.exit(0)).resume();
