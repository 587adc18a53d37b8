// As much of what a browser says of itself as reports tell: which it is, and on what kind of device, so that few people
// are told apart by it.

/** The parts of `navigator` that it is read from. */
export interface Device {
  userAgent: string;
  maxTouchPoints: number;
}

/** `chrome-desktop`, `firefox-phone`, `safari-tablet`, `other-desktop` and the like. Chromium's kin count as chrome. */
export function deviceClass(d: Device): string {
  return `${browser(d.userAgent)}-${kind(d)}`;
}

function browser(ua: string): string {
  if (/Firefox\/|FxiOS\//.test(ua)) return "firefox";
  if (/Chrome\/|Chromium\/|CriOS\//.test(ua)) return "chrome";
  if (/Safari\//.test(ua)) return "safari";
  return "other";
}

function kind({ userAgent: ua, maxTouchPoints }: Device): string {
  if (/iPad|Tablet|PlayBook|Silk/.test(ua) || (/Android/.test(ua) && !/Mobile/.test(ua))) return "tablet";
  if (/Macintosh/.test(ua) && maxTouchPoints > 1) return "tablet"; // an iPad that calls itself a Mac
  return /Mobi|iPhone|iPod|Android/.test(ua) ? "phone" : "desktop";
}
