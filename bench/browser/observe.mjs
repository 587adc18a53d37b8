/**
 * Runs in a page before its own scripts: reads bench's clock from every frame that its
 * video displays, and notes when the playhead was held. What it saw is glass.report();
 * glass.shown resolves once there is a first frame.
 */
export function observe() {
  const columns = 16, rows = 3, stallMs = 250;
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const saw = { delays: [], bad: 0, frames: 0, waits: 0, stalls: 0, heldMs: 0, longestHoldMs: 0, firstFrame: null };
  let resolve, heldSince = null;
  const glass = {
    shown: new Promise((done) => (resolve = done)),
    reading: true, // of the clock; it takes processor time
    report() {
      const held = heldSince === null ? 0 : performance.now() - heldSince; // and maybe goes on
      return {
        ...saw, stalls: saw.stalls + (held >= stallMs ? 1 : 0), heldMs: saw.heldMs + held, longestHoldMs: Math.max(saw.longestHoldMs, held),
        hidden: document.hidden,
      };
    },
  };
  globalThis.glass = glass;

  function read(video) {
    const cell = video.videoWidth / columns;
    // One pixel a cell, from its middle.
    context.imageSmoothingEnabled = false;
    context.drawImage(video, 0, 0, columns * cell, rows * cell, 0, 0, columns, rows);
    const { data } = context.getImageData(0, 0, columns, rows);
    let ms = 0;
    for (let i = 0; i < columns * rows; i++) ms = ms * 2 + (data[i * 4] > 127 ? 1 : 0);
    return ms;
  }

  function release() {
    if (heldSince === null) return;
    const held = performance.now() - heldSince;
    heldSince = null;
    saw.heldMs += held;
    saw.longestHoldMs = Math.max(saw.longestHoldMs, held);
    if (held >= stallMs) saw.stalls++;
  }

  function watch(video) {
    const frame = () => {
      const now = Date.now();
      if (saw.firstFrame === null) resolve((saw.firstFrame = performance.now()));
      saw.frames++;
      if (glass.reading) {
        const delay = now - read(video);
        if (delay > 0 && delay < 60_000) saw.delays.push(delay);
        else saw.bad++;
      }
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
    video.addEventListener("waiting", () => {
      if (saw.firstFrame === null) return;
      saw.waits++;
      heldSince ??= performance.now();
    });
    video.addEventListener("playing", release);
  }

  const find = () => {
    const video = document.querySelector("video");
    if (video) watch(video);
    else requestAnimationFrame(find);
  };
  find();
}
