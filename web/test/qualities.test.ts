import { describe, expect, test } from "vitest";
import { bestFirst } from "../player/qualities.ts";
import { qualityChoices } from "../player/ui/words.ts";

const quality = (rendition: string, height: number, bitrate = 100_000) => ({ rendition, width: 2 * height, height, bitrate });
const ladder = [quality("v2", 240), quality("v0", 720), quality("v1", 480)].sort(bestFirst);

describe("a viewer who chooses a quality", () => {
  test("finds the best first, and is told which the player took by itself", () => {
    expect(qualityChoices({ qualities: ladder, quality: null, height: 480 })).toEqual([
      ["", "Auto (480p)"],
      ["v0", "720p"],
      ["v1", "480p"],
      ["v2", "240p"],
    ]);
  });

  test("is told of no height that is not known yet, nor of one that was chosen", () => {
    expect(qualityChoices({ qualities: ladder, quality: null, height: 0 })[0]).toEqual(["", "Auto"]);
    expect(qualityChoices({ qualities: ladder, quality: "v1", height: 480 })[0]).toEqual(["", "Auto"]);
  });

  test("tells sounds without a picture apart by their bit rates", () => {
    expect(qualityChoices({ qualities: [quality("v1", 0, 64_000), quality("v0", 0, 128_000)].sort(bestFirst), quality: null, height: 0 })).toEqual([
      ["", "Auto"],
      ["v0", "128 kbit/s"],
      ["v1", "64 kbit/s"],
    ]);
  });
});
