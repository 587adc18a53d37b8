import { expect, test } from "vitest";
import { clock, duration, moment, say, share, short, tick, type Unit } from "../../dash/words.ts";

process.env["TZ"] = "UTC";
const plain = (s: string) => s.replaceAll("\u00a0", " ");

test("figures are as precise as people can use", () => {
  const said: [Unit, number | null, string][] = [
    ["count", 3, "3"], ["count", 3.24, "3.2"], ["count", 12_345, "12,345"], ["count", null, "–"], ["count", Number.NaN, "–"],
    ["ms", 640.4, "640 ms"], ["ms", 1_640, "1.6 s"], ["rate", 2_400_000, "2.4 Mbit/s"], ["bytes", 7_200_000, "7.2 MB"],
    ["perHour", 6.54, "6.5 an hour"], ["perHour", 0, "0 an hour"], ["perMinute", 24, "24 a minute"], ["money", 0.356, "0.36"], ["money", 0.0007, "less than 0.01"], ["money", 12_345.6, "12,346"],
  ];
  for (const [unit, n, words] of said) expect(plain(say(unit, n))).toBe(words);
});

test("a part that is there is never said to be 0, and one that is not whole is never said to be 100", () => {
  const said: [number, string][] = [[0, "0 %"], [0.00001, "< 0.01 %"], [0.0019, "0.19 %"], [0.044, "4.4 %"], [0.632, "63 %"], [0.998, "99.8 %"], [1, "100 %"]];
  for (const [n, words] of said) expect(plain(share(n))).toBe(words);
});

test("times are said in the units in which people think of them", () => {
  const said: [number, string][] = [[1.13, "1.1 s"], [42, "42 s"], [88, "1 min 28 s"], [1_620, "27 min"], [5_400, "1 h 30 min"], [72_000, "20 h"]];
  for (const [s, words] of said) expect(plain(duration(s))).toBe(words);
  expect(clock(1_764_320_533)).toBe("09:02:13");
  expect(moment(1_764_320_533)).toBe("28 Nov, 09:02:13");
});

test("marks on a time axis say no more than tells them apart", () => {
  expect(tick(1_764_320_530, 10)).toBe("09:02:10");
  expect(tick(1_764_320_400, 600)).toBe("09:00");
  expect(tick(1_764_288_000, 43_200)).toBe("28 Nov");
  expect(tick(1_764_288_000, 86_400)).toBe("28 Nov");
});

test("long ids are cut where they are read", () => {
  expect(short("h4rb0urh4rb0urh4rb0urh4rb0urh4rb")).toBe("h4rb0urh…");
  expect(short("v0")).toBe("v0");
});
