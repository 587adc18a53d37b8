// Lets tabs of one Chromium watch bench's clock picture, and prints a JSON object a line:
// the moments at which bench counts what servers and processors did, and at the end what
// each tab saw. The plan, as JSON, is bench/browserrun.go's browserPlan.
//
//	node bench/browser.mjs PLAN
import { setTimeout as pause } from "node:timers/promises";
import { Chromium } from "./browser/chromium.mjs";
import { observe } from "./browser/observe.mjs";
import { Memory } from "./browser/memory.mjs";

const plan = JSON.parse(process.argv[2]);
const print = (o) => process.stdout.write(`${JSON.stringify(o)}\n`);
const chromium = new Chromium(plan.profile);
process.once("SIGTERM", () => chromium.close().then(() => process.exit(1)));

// The clock is read in the measured time only.
const script = `(${observe})(); glass.reading = false;`;
const changes = plan.change ? Math.floor(plan.length / plan.change) : 0;
// A new window keeps Chromium busy for a while: who follows a link has it open already.
const windows = [];
for (let i = 0; i < plan.tabs + changes + plan.lates; i++) windows.push(await chromium.window(script));
await pause(5_000);

/** @type {import("./browser/chromium.mjs").Tab[]} */
const tabs = [];
const closed = [];

async function open() {
  const tab = windows.shift();
  await tab.goto(plan.url);
  tab.shown = tab.evaluate("glass.shown");
  tab.shown.catch(() => {}); // looked at below
  tabs.push(tab);
  return tab;
}

function look(tab) {
  return tab.evaluate("({ ...glass.report(), stats: globalThis.shoal?.stats() ?? {} })");
}

const every = (expression) => Promise.all(tabs.map((tab) => tab.evaluate(expression)));

try {
  print({ mark: "opening", pid: chromium.pid });
  for (let i = 0; i < plan.tabs; i++) {
    if (i > 0) await pause(plan.apart);
    await open();
  }
  await Promise.all(tabs.map((tab) => tab.shown));
  await pause(plan.settle);

  if (plan.soak) {
    print({ mark: "soak" });
    const memory = new Memory(chromium);
    for (const end = Date.now() + plan.length; Date.now() < end; ) {
      print({ memory: await memory.look(tabs) });
      await pause(plan.soak);
    }
    print({ tabs: await Promise.all(tabs.map(look)), late: [] });
  } else {
    const took = await every("glass.reading = true, Object.values(globalThis.shoal?.stats().bytes ?? {}).reduce((a, b) => a + b, 0)");
    print({ mark: "measuring", played: took.reduce((a, b) => a + b, 0) });
    if (plan.change) {
      for (let i = 0; i < changes; i++) {
        await pause(plan.change);
        const oldest = tabs.shift();
        closed.push(await look(oldest));
        await oldest.close();
        const tab = await open();
        tab.shown.then(() => tab.evaluate("glass.reading = true")).catch(() => {});
      }
      await pause(plan.change);
      await Promise.all(tabs.map((tab) => tab.shown));
    } else {
      await pause(plan.length);
    }
    const seen = await Promise.all(tabs.map(look));
    print({ mark: "measured" });
    await every("glass.reading = false");
    if (plan.quiet) {
      await pause(500);
      print({ mark: "quiet" });
      await pause(plan.quiet);
      print({ mark: "quiet ended" });
    }
    const late = [];
    for (let i = 0; i < plan.lates; i++) {
      const tab = await open();
      await tab.shown;
      await pause(plan.late);
      late.push(await look(tab));
      await tabs.pop().close();
    }
    // Stalls after the measured time count, too.
    const last = await Promise.all(tabs.map(look));
    const held = ({ waits, stalls, longestHoldMs }) => ({ waits, stalls, longestHoldMs });
    print({ tabs: [...closed, ...seen.map((s, i) => ({ ...s, ...held(last[i]) }))], late });
  }
} finally {
  await chromium.close();
}
