// Reports over HTTP, for pages that have no NATS.

/** What became of reports: `kept` on the bus, `refused` for good, or `later`: they are to be sent again. */
export type Answer = "kept" | "refused" | "later";

const requestMs = 10_000;
/** A type that browsers send to other sites without asking them first. */
const type = "text/plain";

/** Sends lines. It never rejects. */
export async function post(url: string, lines: readonly string[]): Promise<Answer> {
  try {
    const { status, ok } = await fetch(url, {
      ...{ method: "POST", body: lines.join("\n"), headers: { "Content-Type": type } },
      ...{ credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store", signal: AbortSignal.timeout(requestMs) },
    });
    if (ok) return "kept";
    return status === 429 || status >= 500 ? "later" : "refused";
  } catch {
    return "later";
  }
}

/** Sends lines while the page goes away. Nobody hears what became of them. */
export function postLast(url: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  const body = lines.join("\n"); // as text/plain
  if (navigator.sendBeacon?.(url, body)) return;
  void fetch(url, { method: "POST", body, headers: { "Content-Type": type }, credentials: "omit", keepalive: true }).catch(() => undefined);
}
