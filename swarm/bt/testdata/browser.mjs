// A browser for Go tests: each line of standard input is an order, each line of standard output says what came of one.
import { spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const [modules, executablePath, ...flags] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const server = await chromium.launchServer({
  executablePath, args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", ...flags],
});
const browser = await chromium.connect(server.wsEndpoint());
const pages = new Map();
const say = (m) => process.stdout.write(`${JSON.stringify(m)}\n`);
say({ ready: true });

const orders = {
  async meet(o) {
    const page = await browser.newPage();
    pages.set(o.id, page);
    return await page.evaluate(meet, o);
  },
  async close(o) {
    await pages.get(o.id).close({ runBeforeUnload: true });
  },
  async crash() {
    // All of its processes: those of pages and of the network have other groups.
    const all = spawnSync("ps", ["-eo", "pid=,ppid="]).stdout.toString().trim().split("\n").map((l) => l.trim().split(/\s+/).map(Number));
    const ours = new Set([server.process().pid]);
    for (let n = 0; n !== ours.size; ) {
      n = ours.size;
      for (const [pid, parent] of all) if (ours.has(parent)) ours.add(pid);
    }
    for (const pid of ours) process.kill(pid, "SIGKILL");
  },
};
for await (const line of createInterface({ input: process.stdin })) {
  const o = JSON.parse(line);
  orders[o.order](o).then((done) => say({ id: o.id, order: o.order, ...done }), (e) => say({ id: o.id, order: o.order, error: String(e) }));
}
await Promise.race([server.close(), new Promise((r) => setTimeout(r, 1000))]);
process.exit();

/** In the page: meets a peer by a tracker, speaks BitTorrent to it, and says hello by sh_live, which it expects back. */
async function meet({ tracker, infohash, offers, config }) {
  const text = (hex) => hex.replace(/../g, (h) => String.fromCharCode(parseInt(h, 16)));
  const bytes = (s) => Uint8Array.from(s, (c) => c.charCodeAt(0));
  const id = `-TS0001-${String(Math.random()).slice(2, 14).padEnd(12, "0")}`;
  const message = (s) => String.fromCharCode(0, 0, 0, s.length) + s;
  const pc = new RTCPeerConnection(config);
  addEventListener("pagehide", () => pc.close());
  const greeted = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`no greeting: ${pc.connectionState}, ${pc.iceConnectionState}`)), 25_000);
    const speak = (dc) => {
      let got = "";
      dc.binaryType = "arraybuffer";
      let greeted = false;
      const begin = () => {
        if (!greeted) dc.send(bytes(`\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04${text(infohash)}${id}${message("\x14\0d1:md7:sh_livei3eee")}`));
        greeted = true;
      };
      if (offers) dc.onopen = begin;
      dc.onmessage = ({ data }) => {
        begin(); // what is sent in the moment that the other's channel opens, Chromium sometimes loses
        const known = got.includes("7:sh_livei2e");
        got += String.fromCharCode(...new Uint8Array(data));
        if (!known && got.includes("7:sh_livei2e")) dc.send(bytes(message("\x14\x02hello")));
        if (got.startsWith("\x13BitTorrent protocol") && got.includes("\x14\x03hello")) resolve();
      };
    };
    if (offers) speak(pc.createDataChannel("shoal"));
    else pc.ondatachannel = ({ channel }) => speak(channel);
  });
  const gathered = async (d) => {
    await pc.setLocalDescription(d);
    if (pc.iceGatheringState !== "complete") await new Promise((r) => pc.addEventListener("icegatheringstatechange", () => pc.iceGatheringState === "complete" && r()));
    return { type: d.type, sdp: pc.localDescription.sdp };
  };
  const ws = new WebSocket(tracker);
  await new Promise((r) => (ws.onopen = r));
  const about = { action: "announce", info_hash: text(infohash), peer_id: id };
  ws.onmessage = async ({ data }) => {
    const m = JSON.parse(data);
    if (m.answer) await pc.setRemoteDescription(m.answer);
    if (m.offer && pc.signalingState === "stable" && !pc.remoteDescription) {
      await pc.setRemoteDescription(m.offer);
      ws.send(JSON.stringify({ ...about, to_peer_id: m.peer_id, offer_id: m.offer_id, answer: await gathered(await pc.createAnswer()) }));
    }
  };
  const offer = offers ? [{ offer_id: "o".repeat(20), offer: await gathered(await pc.createOffer()) }] : [];
  ws.send(JSON.stringify({ ...about, numwant: offer.length, uploaded: 0, downloaded: 0, left: 1, event: "started", offers: offer }));
  await greeted;
  const stats = [...(await pc.getStats()).values()];
  const pair = stats.find((s) => s.id === stats.find((s) => s.type === "transport").selectedCandidatePairId);
  const remote = stats.find((s) => s.id === pair.remoteCandidateId);
  return { own: stats.find((s) => s.id === pair.localCandidateId).candidateType, names: pc.localDescription.sdp.includes(".local "), type: remote.candidateType, address: remote.address };
}
