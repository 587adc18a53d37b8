import { describe, expect, test } from "vitest";
import { Listing } from "../player/listing.ts";
import { joinable, multivariant, playlist, reload, undated } from "../player/playlists.ts";

const none = { width: 0, height: 0, codecs: "", entries: [] };

test("the manifest's renditions make a multivariant playlist that names each media playlist and its measured bit rate", () => {
  const text = multivariant(
    new Map([
      ["v0", { ...none, width: 1280, height: 720, codecs: "avc1.64001f,mp4a.40.2" }],
      ["a0", { ...none, codecs: "opus" }],
      ["v1", none],
    ]),
    (r) => ({ v0: 812_345.4, a0: 64_000 })[r] ?? 0,
  );
  expect(text.trim().split("\n")).toEqual([
    "#EXTM3U",
    '#EXT-X-STREAM-INF:BANDWIDTH=812345,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720',
    "v0/index.m3u8",
    '#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="opus"',
    "a0/index.m3u8",
    "#EXT-X-STREAM-INF:BANDWIDTH=1",
    "v1/index.m3u8",
  ]);
});

/** A media playlist of segments with so many parts of 0.2 s each, the last of which grows; a K begins with a keyframe. */
function media(...segments: [number, "K" | "-"][]): string {
  const head = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n";
  const parts = (count: number, key: string) =>
    Array.from({ length: count }, (_, i) => `#EXT-X-PART:DURATION=0.20000,URI="1/${i}.m4s"${i === 0 && key === "K" ? ",INDEPENDENT=YES" : ""}\n`);
  const whole = (count: number) => `#EXTINF:${(count * 0.2).toFixed(5)},\nseg/1.m4s\n`;
  return head + segments.map(([count, key], i) => parts(count, key).join("") + (i < segments.length - 1 ? whole(count) : "")).join("");
}

describe("a joiner's first playlist", () => {
  const startOf = (text: string) => /#EXT-X-START:TIME-OFFSET=(.*)/.exec(joinable(text, 0.3))?.[1];

  test("says to start at the newest keyframe when what is live begins without one", () => {
    expect(startOf(media([20, "K"], [20, "-"], [10, "-"], [20, "K"], [20, "-"], [5, "-"]))).toBe("10.010");
    expect(startOf(media([20, "K"], [1, "-"]))).toBe("0.010");
    expect(startOf(media([20, "K"], [20, "-"], [1, "K"]))).toBe("8.010");
  });

  test("leaves it to the player where every segment begins with a keyframe, or none is known", () => {
    expect(startOf(media([5, "K"], [5, "K"], [1, "K"]))).toBeUndefined();
    expect(startOf(media([20, "K"], [20, "-"], [10, "K"]))).toBeUndefined();
    expect(startOf(media([20, "-"], [20, "-"], [3, "-"]))).toBeUndefined();
  });

  test("has a gap in front while no segment is whole, which its later ones no longer need", () => {
    const young = joinable(media([3, "K"]), 0.3);
    expect(young).toContain("#EXT-X-MEDIA-SEQUENCE:7\n");
    expect(young).toMatch(/#EXT-X-START:TIME-OFFSET=1\.010\n#EXT-X-PART:[^\n]*GAP=YES\n#EXT-X-GAP\n#EXTINF:1,\n/);
    expect(joinable(media([5, "K"], [1, "K"]), 0.3)).toContain("#EXT-X-MEDIA-SEQUENCE:8\n");
    const url = "http://h/live/x/v0/index.m3u8";
    expect(reload(`${url}?_HLS_msn=8&_HLS_part=3&_HLS_skip=YES`)).toEqual({ r: "v0", msn: 8, part: 3, skip: true });
    expect(reload(`${url}?_HLS_msn=8`)).toEqual({ r: "v0", msn: 8, part: -1, skip: false });
    expect(reload(url)).toEqual({ r: "v0", msn: null, part: -1, skip: false });
    expect(reload("http://h/live/x/index.m3u8")).toBeNull();
  });

  test("after a switch is laid beside the one before by its numbers, not by when its segments arrived", () => {
    const text = media([2, "K"], [1, "K"]).replaceAll(/^#EXTINF/gm, "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n#EXTINF");
    expect(undated(text)).toBe(media([2, "K"], [1, "K"]));
  });

  test("is left alone when it has no media", () => {
    expect(joinable("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n", 0.3)).not.toContain("EXTINF");
  });
});

test("who waits for a rendition that is made no longer is sent to another, as an origin does it", async () => {
  const listing = new Listing();
  const waits = listing.wait(7, 0, false, new AbortController().signal);
  listing.fallBehind();
  await expect(waits).rejects.toMatchObject({ status: 404 });
  await expect(playlist({ multivariant: () => "", current: async () => undefined, listing: () => listing }, { r: "v1", msn: null, part: -1, skip: false }, new AbortController().signal)).rejects.toMatchObject({ status: 404 });
});
