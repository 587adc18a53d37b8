import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { every, Refresh } from "../../dash/refresh.ts";

const page = new (class extends EventTarget {
  hidden = false;
  show(shown: boolean) {
    this.hidden = !shown;
    this.dispatchEvent(new Event("visibilitychange"));
  }
})();

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  page.hidden = false;
});

function refresh(): { r: Refresh; asked: () => number } {
  let n = 0;
  const r = new Refresh(
    () => {
      n++;
      r.next(5);
    },
    page as unknown as Document,
    () => Date.now(),
  );
  r.next(5);
  return { r, asked: () => n };
}

test("it asks every few seconds", () => {
  const { asked } = refresh();
  vi.advanceTimersByTime(21_000);
  expect(asked()).toBe(4);
});

test("it does not while it is paused, and goes on after", () => {
  const { r, asked } = refresh();
  r.pause(true);
  vi.advanceTimersByTime(60_000);
  expect(asked()).toBe(0);
  r.pause(false);
  vi.advanceTimersByTime(1);
  expect(asked()).toBe(1);
});

test("it does not while nobody sees the page, and asks at once when it is seen", () => {
  const { asked } = refresh();
  page.show(false);
  vi.advanceTimersByTime(60_000);
  expect(asked()).toBe(0);
  page.show(true);
  vi.advanceTimersByTime(1);
  expect(asked()).toBe(1);
});

test("long ranges are asked for less often, as nothing new would be seen", () => {
  expect([10, 60, 300, 1_800].map(every)).toEqual([5, 30, 60, 60]);
});
