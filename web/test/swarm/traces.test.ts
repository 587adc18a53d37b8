import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { millisecond } from "../../player/swarm/time.ts";
import { Player, type Trace } from "./player.ts";
import { testdata, vectors } from "./vectors.ts";

for (const file of readdirSync(`${testdata}/traces`).sort()) {
  const trace = vectors<Trace>(`traces/${file}`);
  test(`a browser decides as the Go side does: ${file.replace(".json", "")}`, () => {
    const p = new Player(trace.config);
    let before = 0;
    for (const [i, s] of trace.steps.entries()) {
      const what = `step ${i}, at ${s.at_ms} ms, input ${JSON.stringify(s.input)}`;
      if (s.input.do === "tick") expect(Math.max(before, Math.ceil(p.node.wake() / millisecond)), `woken at ${what}`).toBe(s.at_ms);
      expect(p.step(s.at_ms, s.input), what).toEqual(s.effects);
      before = s.at_ms;
    }
  });
}
