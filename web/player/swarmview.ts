// The swarm as a page may see it.
import type { Meter } from "./meter.ts";
import type { Swarming } from "./swarming.ts";
import type { SwarmView } from "./view.ts";

const busySays = "This device has much to do, so for now the video comes from the server alone.";

/** `busy`: this device has too much to do to take part. */
export function swarmView(swarming: Swarming | null, busy: boolean, meter: Meter): SwarmView {
  const peers = (swarming?.figures?.peers ?? []).filter((p) => p.id !== "");
  const minute = meter.minute(performance.now());
  const detail = busy ? busySays : (swarming?.wrong() ?? "");
  return {
    state: busy ? "trouble" : !swarming ? "off" : peers.length > 0 ? "on" : detail === "" ? "joining" : "trouble",
    detail: peers.length > 0 ? "" : detail,
    peers: peers.map((p) => {
      const rtc = swarming?.rtc.get(p.conn);
      return { id: p.id.slice(-8), role: p.role, rttMs: p.rttMs ?? rtc?.rttMs ?? null, down: p.down, up: p.up, relayed: rtc?.relayed ?? false, missed: p.missed };
    }),
    bytes: { ...meter.total },
    uploaded: meter.uploaded,
    up: 8 * (minute.at(-1)?.up ?? 0),
    minute,
  };
}
