// The tracker of the real binary, and the client that WebTorrent pages have, in real Chromium.
import { createHash } from "node:crypto";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch } from "./support/browser.ts";
import { eventually, Shoal } from "./support/shoal.ts";
import { join, stockClient } from "./support/webtorrent.ts";

let browser: Browser;
let shoal: Shoal;
let client: string;
let tracker: string;
const swarms = new Map<string, string>();

beforeAll(async () => {
  [browser, shoal, client] = await Promise.all([launch(), Shoal.start(), stockClient()]);
  tracker = `${shoal.http.replace("http", "ws")}/announce`;
  for (const name of ["one", "two"]) {
    await shoal.add(name);
    swarms.set(name, await infohash(name));
  }
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop()]);
});

/** The infohash of a stream's swarm: the SHA-1 of its info dictionary, which stands last in its torrent (BEP 3). */
async function infohash(name: string): Promise<string> {
  const torrent = await eventually(`the torrent of ${name}`, async () => {
    const got = await fetch(`${shoal.http}/live/${name}/stream.torrent`);
    return got.ok ? Buffer.from(await got.arrayBuffer()) : null;
  });
  return createHash("sha1").update(torrent.subarray(torrent.indexOf("4:info") + "4:info".length, -1)).digest("hex");
}

/** What the tracker says over HTTP of a swarm (BEP 48), bencoded. */
async function scrape(infohash: string): Promise<string> {
  const got = await fetch(`${shoal.http}/scrape?info_hash=${infohash.replaceAll(/../g, "%$&")}`);
  return Buffer.from(await got.arrayBuffer()).toString("latin1");
}

/** A page with the client, of the site named or of none. */
async function page(at = `${shoal.http}/`): Promise<Page> {
  const context = await browser.newContext({ bypassCSP: true }); // as a page has that brings its own scripts
  const p = await context.newPage();
  await p.goto(at);
  await p.addScriptTag({ content: client });
  return p;
}

const meeting = (p: Page) => p.evaluate(() => window.meeting);

test("WebTorrent pages of one swarm exchange data, and those of another are not among them", async () => {
  const [a, b, c] = await Promise.all([page(), page(), page()]);
  await join(c, tracker, swarms.get("two")!, "c");
  await eventually("the page of another swarm to be there", async () => (await meeting(c)).incomplete === 1);
  await join(a, tracker, swarms.get("one")!, "a");
  await eventually("the first page to be there", async () => (await meeting(a)).incomplete === 1);
  await join(b, tracker, swarms.get("one")!, "b");
  await eventually("both to hear of each other", async () => (await meeting(a)).heard.length > 0 && (await meeting(b)).heard.length > 0);
  expect((await meeting(a)).heard).toEqual(["b was here"]);
  expect((await meeting(b)).heard).toEqual(["a was here"]);
  expect((await meeting(b)).incomplete).toBe(2);
  expect((await meeting(c)).heard).toEqual([]);
  for (const p of [a, b, c]) expect((await meeting(p)).warnings).toEqual([]);

  await a.close(); // without a word
  await b.evaluate(() => window.meeting.leave());
  await eventually("the tracker to count nobody", async () => (await scrape(swarms.get("one")!)).includes("10:incompletei0e"));
});

test("a page is told that a swarm is none of this tracker's", async () => {
  const p = await page();
  await join(p, tracker, "01".repeat(20), "e");
  await eventually("the page to be told", async () => (await meeting(p)).warnings.length > 0);
  expect((await meeting(p)).warnings.join()).toContain("streams and archives of its own installation only");
});

test("a page of another site is not let in", async () => {
  const p = await page("about:blank");
  await join(p, tracker, swarms.get("one")!, "f");
  await eventually("the page to be refused", async () => (await meeting(p)).warnings.length > 0);
  expect((await meeting(p)).warnings.join()).toContain("Error connecting");
});
