import { describe, expect, test } from "vitest";
import { format, parse, questionOf } from "../../dash/state.ts";

describe("the address of the dashboard", () => {
  test("says all that is shown, and is read as it was written", () => {
    for (const query of [
      "",
      "?range=7d&stream=abc&view=visits&only=stalled",
      "?from=1700000000&to=1700003600&region=eu&rendition=v0&class=chrome-desktop",
      "?stream=abc&view=visit&session=0123456789abcdef",
      "?view=live",
    ]) {
      expect(format(parse(query))).toBe(query);
    }
  });

  test("with nonsense in it shows what it would without", () => {
    for (const query of ["?range=1y", "?view=nothing", "?from=5&to=4", "?from=x&to=9", "?only=all&range=", "?view=visit"]) {
      expect(format(parse(query))).toBe(query === "?view=visit" ? "?view=visits" : "");
    }
  });

  test("asks charts with the range and the filters, and with nothing else", () => {
    const s = parse("?stream=a%26b&view=visits&only=left&region=' OR 1=1 --");
    expect(questionOf(s).toString()).toBe("range=1h&stream=a%26b&region=%27+OR+1%3D1+--");
  });
});
