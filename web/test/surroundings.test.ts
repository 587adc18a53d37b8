import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Browser, Watch } from "../player/surroundings.ts";

class Connection extends EventTarget {
  saveData = false;
  type = "wifi";
}
class Battery extends EventTarget {
  charging = true;
}
class Page extends EventTarget {
  hidden = false;
  hide(hidden: boolean): void {
    this.hidden = hidden;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

let connection: Connection;
let battery: Battery;
let page: Page;
const changed = vi.fn();
const watch = (b: Partial<Browser> = {}) => new Watch(changed, { webrtc: true, connection, battery: () => Promise.resolve(battery), document: page, ...b });

beforeEach(() => {
  vi.useFakeTimers();
  changed.mockClear();
  connection = new Connection();
  battery = new Battery();
  page = new Page();
});
afterEach(() => vi.useRealTimers());

test("a connection that saves data or is cellular is metered, and a change is told once", () => {
  const w = watch();
  expect(w.now()).toEqual({ webrtc: true, metered: false, hiddenOnBattery: false });
  connection.type = "cellular";
  connection.dispatchEvent(new Event("change"));
  connection.dispatchEvent(new Event("change"));
  expect(w.now().metered).toBe(true);
  expect(changed).toHaveBeenCalledTimes(1);
  connection.type = "wifi";
  connection.saveData = true;
  expect(w.now().metered).toBe(true);
});

test("a tab hidden on battery for long is told, one that comes back soon is not", async () => {
  const w = watch();
  battery.charging = false;
  await vi.advanceTimersByTimeAsync(0);
  page.hide(true);
  await vi.advanceTimersByTimeAsync(19_000);
  page.hide(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(changed).not.toHaveBeenCalled();
  page.hide(true);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(w.now().hiddenOnBattery).toBe(true);
  expect(changed).toHaveBeenCalledTimes(1);
  battery.charging = true;
  battery.dispatchEvent(new Event("chargingchange"));
  expect(w.now().hiddenOnBattery).toBe(false);
  battery.charging = false;
  battery.dispatchEvent(new Event("chargingchange"));
  page.hide(false);
  expect(w.now().hiddenOnBattery).toBe(false);
  expect(changed).toHaveBeenCalledTimes(4);
});

test("a browser that tells nothing, or refuses to, limits nothing", async () => {
  for (const b of [undefined, () => Promise.reject(new DOMException("no", "NotAllowedError"))]) {
    const w = watch({ connection: undefined, battery: b, webrtc: false });
    page.hide(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(w.now()).toEqual({ webrtc: false, metered: false, hiddenOnBattery: false });
    w.stop();
  }
});

test("nothing is told after stop", async () => {
  const w = watch();
  await vi.advanceTimersByTimeAsync(0);
  page.hide(true);
  w.stop();
  connection.saveData = true;
  connection.dispatchEvent(new Event("change"));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(changed).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});
