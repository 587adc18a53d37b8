// What a page tells of how it plays, all of it real: the binary, ffmpeg, Chromium and NATS.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { parseDictionary } from "structured-headers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, open } from "./support/browser.ts";
import { eventually, Shoal, type Stream, swarming } from "./support/shoal.ts";

let browser: Browser;
let shoal: Shoal;
let stream: Stream;

beforeAll(async () => {
  [browser, shoal] = await Promise.all([launch(["--allow-loopback-in-peer-connection"]), Shoal.start(swarming)]);
  stream = await shoal.add("concert");
  shoal.ffmpeg(stream);
});
afterAll(async () => {
  await Promise.all([browser?.close(), shoal?.stop()]);
});

/** A tab, and all that it tells of itself by either way. */
class Tab {
  readonly published: string[] = []; // by NATS
  readonly posted: string[][] = []; // by HTTP, a request's
  kept = 0; // answers of JetStream
  errors: string[] = [];
  page!: Page;

  private constructor(readonly context: BrowserContext) {
    context.on("page", (p) =>
      p.on("websocket", (ws) => {
        if (!new URL(ws.url()).pathname.endsWith("/nats")) return;
        ws.on("framesent", (f) => this.published.push(...[...String(f.payload).matchAll(/^PUB \S+ \S+ \d+\r\n(.+)\r$/gm)].map((m) => m[1]!)));
        ws.on("framereceived", (f) => (this.kept += [...String(f.payload).matchAll(/"stream":"TELEMETRY", ?"seq":\d+/g)].length));
      }),
    );
    context.on("request", (r) => {
      if (new URL(r.url()).pathname === "/api/v1/telemetry") this.posted.push((r.postData() ?? "").split("\n"));
    });
  }

  static async open(prepare: (context: BrowserContext) => Promise<unknown> = () => Promise.resolve()): Promise<Tab> {
    const tab = new Tab(await browser.newContext());
    await prepare(tab.context);
    Object.assign(tab, await open(tab.context, stream.watch_url));
    return tab;
  }

  /** Returns once so many more pieces were played. */
  async plays(pieces: number): Promise<void> {
    const verified = () => this.page.evaluate(() => window.shoal.stats().pieces_verified);
    const before = await verified();
    await eventually(`${pieces} pieces to be played`, async () => (await verified()) >= before + pieces, 400 * pieces + 20_000);
  }

  /** Leaves the page, as who closes its tab does. */
  leave(): Promise<unknown> {
    return this.page.goto("about:blank");
  }
}

/** A test with tabs of its own, which may run beside others. */
function visit(name: string, run: (open: typeof Tab.open) => Promise<void>): void {
  test(name, { timeout: 120_000 }, async ({ onTestFinished }) => {
    await run(async (prepare) => {
      const tab = await Tab.open(prepare);
      onTestFinished(() => tab.context.close());
      return tab;
    });
  });
}

interface Read {
  sid: string;
  sn: number;
  sta: string;
  e: string;
  own: Map<string, unknown>;
}

function read(line: string): Read {
  const d = parseDictionary(line);
  const of = (key: string) => d.get(key)![0];
  return { sid: String(of("sid")), sn: Number(of("sn")), sta: String(of("sta")), e: String(of("e")), own: d.get("com.shoalcast-r")![1] as Map<string, unknown> };
}

const numbers = (lines: string[]) => lines.map((line) => read(line).sn);
const overHttp = async () => Number(/^shoal_telemetry_http_reports_total (\d+)$/m.exec(await (await fetch(`${shoal.http}/metrics`)).text())?.[1] ?? 0);

describe.concurrent("a page that plays", () => {
  visit("reports over NATS every five seconds, each report is on the bus, and together they tell what came", async (open) => {
    const tab = await open();
    const { published, posted } = tab;
    // The first tell of starting, which is not what is held to a bound.
    await eventually("four reports at their time", () => published.filter((line) => read(line).e === "t").length >= 4, 60_000);
    await eventually("all to be answered", () => tab.kept >= published.length, 5_000);
    const got = published.map(read);
    expect(got.map((r) => r.sn)).toEqual([...got.keys()]);
    expect(new Set(got.map((r) => r.sid)).size).toBe(1);
    for (const r of got.slice(1).filter((r) => r.e === "t")) expect(r.own.get("d")).toSatisfy((d: number) => d > 3_500 && d < 7_000);
    const sum = (key: string) => got.reduce((n, r) => n + Number(r.own.get(key) ?? 0), 0);
    const { bytes } = await tab.page.evaluate(() => window.shoal.stats());
    const came = bytes.peer + bytes.seed + bytes.edge + bytes.origin;
    expect(sum("pe") + sum("se") + sum("ed") + sum("or")).toBeGreaterThan(came / 3);
    expect(sum("pe") + sum("se") + sum("ed") + sum("or")).toBeLessThanOrEqual(came);
    expect(sum("pl")).toBeGreaterThan(0.7 * sum("wa"));
    expect(got.at(-1)!.own.get("h5")).toSatisfy((ms: number) => ms > 0 && ms < 2_000);
    expect(published.at(-1)).toMatch(/,ua=chrome-desktop|;ua=chrome-desktop/);
    for (const line of published) expect(line).not.toMatch(/127\.0\.0\.1|Mozilla/);
    expect(posted).toEqual([]);
    expect(tab.errors).toEqual([]);
  });

  visit("reports six times at once over HTTP where NATS cannot be had", async (open) => {
    const before = await overHttp();
    const { posted, published } = await open((context) => context.routeWebSocket(/\/nats$/, (ws) => ws.close()));
    await eventually("a request with reports", () => posted.length > 0, 60_000);
    expect(posted[0]!.length).toBeGreaterThanOrEqual(5);
    expect(posted[0]!.length).toBeLessThanOrEqual(6);
    expect(numbers(posted[0]!)).toEqual([...posted[0]!.keys()]);
    await eventually("them to be on the bus", async () => (await overHttp()) >= before + posted[0]!.length);
    expect(published).toEqual([]);
  });

  visit("tells nothing where the browser asks for privacy", async (open) => {
    const tab = await open((context) => context.addInitScript(() => Object.defineProperty(navigator, "globalPrivacyControl", { value: true })));
    await tab.plays(50);
    expect(await tab.page.evaluate(() => window.shoal.view().telemetry)).toBe("forbidden");
    await tab.leave();
    expect([tab.published, tab.posted]).toEqual([[], []]);
  });

  visit("tells nothing once the viewer has unticked it, now and at the next visit", async (open) => {
    const tab = await open();
    const { published, posted, page } = tab;
    await tab.plays(5);
    await page.click("#swarm-open");
    await page.uncheck("#telling");
    const before = published.length;
    await tab.plays(50);
    await tab.leave();
    expect([published.length, posted]).toEqual([before, []]);
    await page.goto(stream.watch_url);
    await tab.plays(50);
    await page.click("#swarm-open");
    expect(await page.isChecked("#telling")).toBe(false);
    await tab.leave();
    expect([published.length, posted]).toEqual([before, []]);
  });
});

visit("who closes a tab says so with the last report", async (open) => {
  const tab = await open();
  await tab.plays(10);
  const before = await overHttp();
  await tab.leave();
  await eventually("its last report to be on the bus", async () => (await overHttp()) > before);
  // What a page sends while it goes cannot be seen from outside: here it believes that it goes.
  await tab.page.goto(stream.watch_url);
  await tab.plays(10);
  await tab.page.evaluate(() => void dispatchEvent(new PageTransitionEvent("pagehide")));
  const last = (await eventually("a last request", () => tab.posted.at(-1))).at(-1)!;
  expect(read(last)).toMatchObject({ sta: "q", e: "ps" });
});
