import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { browserChoices, choiceFrom } from "../player/choices.ts";
import { type Allowed, allowed, type Choice, type Consent, type Policy, type Surroundings } from "../player/consent.ts";

const inf = Number.POSITIVE_INFINITY;
const policy = (p: Partial<Policy> = {}): Policy => ({ consent: "ask", sensitive: false, relay: false, ...p });
const chose = (mode: Choice["mode"], upCap = 0): Choice => ({ mode, upCap });
const around = (s: Partial<Surroundings> = {}): Surroundings => ({ webrtc: true, metered: false, hiddenOnBattery: false, ...s });

const rules: [string, Policy, Choice, Surroundings, Consent, Partial<Allowed>][] = [
  ["before the choice nobody is met and nothing given", policy(), chose(null), around(), "share", { mode: "edge", relayOnly: false, up: 0, ask: true, limit: "", most: "share" }],
  ["… with a relay, too", policy({ relay: true }), chose(null), around(), "share", { mode: "edge", relayOnly: false, up: 0, ask: true }],
  ["who chose to share shares", policy(), chose("share"), around(), "share", { mode: "share", up: inf, ask: false, relayOnly: false }],
  ["… up to their cap", policy(), chose("share", 2e6), around(), "share", { mode: "share", up: 2e6 }],
  ["who only takes gives nothing, whatever the cap", policy(), chose("download", 2e6), around(), "share", { mode: "download", up: 0, ask: false }],
  ["who stays unseen meets nobody without a relay", policy(), chose("edge"), around(), "share", { mode: "edge", relayOnly: false, up: 0, ask: false }],
  ["… and others through the relay where there is one", policy({ relay: true }), chose("edge"), around(), "share", { mode: "edge", relayOnly: true, up: 0, ask: false }],
  ["who shares does not need the relay", policy({ relay: true }), chose("share"), around(), "share", { mode: "share", relayOnly: false }],

  ["an operator may let all share unasked", policy({ consent: "share" }), chose(null), around(), "share", { mode: "share", up: inf, ask: false }],
  ["… but the viewer's word counts", policy({ consent: "share" }), chose("edge"), around(), "share", { mode: "edge", up: 0 }],
  ["an operator may let all take unasked", policy({ consent: "download" }), chose(null), around(), "share", { mode: "download", up: 0, ask: false, most: "download" }],
  ["… and then nobody gives", policy({ consent: "download" }), chose("share", 5e6), around(), "share", { mode: "download", up: 0 }],
  ["an operator may keep all to the servers", policy({ consent: "edge", relay: true }), chose("share"), around(), "share", { mode: "edge", relayOnly: false, up: 0, most: "edge", ask: false }],
  ["… relay or not", policy({ consent: "edge", relay: true }), chose("edge"), around(), "share", { relayOnly: false }],

  ["a sensitive stream meets nobody, whatever was chosen", policy({ consent: "share", sensitive: true, relay: true }), chose("share"), around(), "share", { mode: "edge", relayOnly: false, up: 0, limit: "sensitive", ask: false, most: "edge" }],
  ["… and nobody is asked", policy({ sensitive: true }), chose(null), around(), "share", { ask: false, limit: "sensitive" }],

  ["a browser without WebRTC is not asked", policy(), chose(null), around({ webrtc: false }), "share", { mode: "edge", ask: false, limit: "unsupported" }],
  ["… and takes from servers", policy({ relay: true }), chose("share"), around({ webrtc: false }), "share", { mode: "edge", relayOnly: false, up: 0, limit: "unsupported" }],
  ["on a metered connection sharing rests", policy(), chose("share"), around({ metered: true }), "share", { mode: "edge", up: 0, limit: "metered", most: "share" }],
  ["… taking, too", policy(), chose("download"), around({ metered: true }), "share", { mode: "edge", limit: "metered" }],
  ["… through the relay, too", policy({ relay: true }), chose("edge"), around({ metered: true }), "share", { relayOnly: false, limit: "metered" }],
  ["… and limits nothing where nothing would be done", policy(), chose("edge"), around({ metered: true }), "share", { mode: "edge", limit: "" }],
  ["hidden on battery sharing rests", policy(), chose("share"), around({ hiddenOnBattery: true }), "share", { mode: "edge", up: 0, limit: "battery" }],
  ["a metered connection is the reason given before the battery", policy(), chose("share"), around({ metered: true, hiddenOnBattery: true }), "share", { limit: "metered" }],
  ["surroundings do not answer the question", policy(), chose(null), around({ metered: true }), "share", { mode: "edge", ask: true, limit: "" }],

  ["an embedder lowers to the servers", policy({ consent: "share" }), chose("share"), around(), "edge", { mode: "edge", up: 0, most: "edge" }],
  ["an embedder has viewers asked whom the operator would not ask", policy({ consent: "share" }), chose(null), around(), "ask", { mode: "edge", ask: true, most: "share" }],
  ["an embedder who allows taking does not answer for the viewer", policy(), chose(null), around(), "download", { mode: "edge", ask: true, most: "download" }],
  ["an embedder cannot raise", policy({ consent: "download" }), chose("share"), around(), "share", { mode: "download", up: 0 }],
  ["an embedder cannot make a sensitive stream less so", policy({ sensitive: true }), chose("share"), around(), "share", { mode: "edge", limit: "sensitive" }],
];

describe("what may be done now", () => {
  test.each(rules)("%s", (_, p, c, a, embedder, want) => {
    expect(allowed(p, c, a, embedder)).toMatchObject(want);
  });

  const consents = fc.constantFrom<Consent>("ask", "share", "download", "edge");
  const anyPolicy = fc.record({ consent: consents, sensitive: fc.boolean(), relay: fc.boolean() });
  const anyChoice = fc.record({ mode: fc.constantFrom<Choice["mode"]>(null, "share", "download", "edge"), upCap: fc.constantFrom(0, 1e6) });
  const anyAround = fc.record({ webrtc: fc.boolean(), metered: fc.boolean(), hiddenOnBattery: fc.boolean() });
  const rank = { edge: 0, download: 1, share: 2 };

  test("nothing is given but in share, no choice does more than chosen, and no embedder raises anything", () => {
    fc.assert(
      fc.property(anyPolicy, anyChoice, anyAround, consents, (p, c, a, e) => {
        const is = allowed(p, c, a, e);
        const alone = allowed(p, c, a);
        expect(is.up > 0).toBe(is.mode === "share");
        if (c.mode !== null) expect(rank[is.mode]).toBeLessThanOrEqual(rank[c.mode]);
        expect(rank[is.mode]).toBeLessThanOrEqual(rank[alone.mode]);
        expect(rank[is.mode]).toBeLessThanOrEqual(rank[is.most]);
        if (c.mode === null && (p.consent === "ask" || e === "ask")) expect(is).toMatchObject({ mode: "edge", relayOnly: false, up: 0 });
        if (p.sensitive || !a.webrtc || a.metered || a.hiddenOnBattery) expect(is).toMatchObject({ mode: "edge", relayOnly: false, up: 0 });
        if (is.relayOnly) expect(is.mode).toBe("edge");
      }),
    );
  });
});

describe("the choice", () => {
  test("is remembered where storage holds it, per server, and lasts for the visit where not", () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) };
    (globalThis as { localStorage?: unknown }).localStorage = storage;
    browserChoices("https://a").set({ mode: "share", upCap: 2e6 });
    expect(browserChoices("https://a").get()).toEqual({ mode: "share", upCap: 2e6 });
    expect(browserChoices("https://b").get()).toEqual({ mode: null, upCap: 0 });

    const refuses = () => {
      throw new DOMException("denied", "SecurityError");
    };
    (globalThis as { localStorage?: unknown }).localStorage = { getItem: refuses, setItem: refuses };
    const choices = browserChoices("https://a");
    expect(choices.get()).toEqual({ mode: null, upCap: 0 });
    choices.set({ mode: "download", upCap: 0 });
    expect(choices.get().mode).toBe("download");
    delete (globalThis as { localStorage?: unknown }).localStorage;
  });

  test("of another version, or of nobody, is no choice", () => {
    expect(choiceFrom({ v: 1, mode: "share", up: 5 })).toEqual({ mode: "share", upCap: 5 });
    for (const bad of [null, 3, "share", {}, { v: 2, mode: "share", up: 0 }, { v: 1, mode: "everything", up: 0 }, { mode: "share" }]) expect(choiceFrom(bad)).toBeNull();
    for (const up of [-1, Number.NaN, 1e12, "5"]) expect(choiceFrom({ v: 1, mode: "share", up })).toEqual({ mode: "share", upCap: 0 });
    fc.assert(fc.property(fc.anything(), (x) => [null, "share", "download", "edge"].includes(choiceFrom(x)?.mode ?? null)));
  });
});
