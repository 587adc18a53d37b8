// What the browser knows of a connection.

export interface ConnectionStats {
  state: RTCPeerConnectionState;
  /** Of the latest connectivity check; null: none yet. */
  rttMs: number | null;
  /** Carried by the transport, its own overhead left out. */
  bytesIn: number;
  bytesOut: number;
  /** How the two sides' addresses were found: host, srflx, prflx or relay; null: none chosen yet. */
  local: RTCIceCandidateType | null;
  remote: RTCIceCandidateType | null;
}

/** The members of reports that are read; TypeScript's own types leave some out. */
interface Report {
  type: string;
  selectedCandidatePairId?: string;
  bytesReceived?: number;
  bytesSent?: number;
  currentRoundTripTime?: number;
  localCandidateId?: string;
  remoteCandidateId?: string;
  candidateType?: RTCIceCandidateType;
  nominated?: boolean;
  state?: string;
}

export async function readStats(pc: RTCPeerConnection): Promise<ConnectionStats> {
  const reports = new Map<string, Report>();
  (await pc.getStats()).forEach((r: Report & { id: string }) => reports.set(r.id, r));
  const all = [...reports.values()];
  const transport = all.find((r) => r.type === "transport");
  const chosen = transport?.selectedCandidatePairId;
  // Firefox names no chosen pair.
  const pair = chosen ? reports.get(chosen) : all.find((r) => r.type === "candidate-pair" && r.nominated && r.state === "succeeded");
  const type = (id: string | undefined) => (id && reports.get(id)?.candidateType) || null;
  return {
    state: pc.connectionState,
    rttMs: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1_000,
    // A pair counts what it carried itself, and another may have been chosen before it.
    bytesIn: transport?.bytesReceived ?? pair?.bytesReceived ?? 0,
    bytesOut: transport?.bytesSent ?? pair?.bytesSent ?? 0,
    local: type(pair?.localCandidateId),
    remote: type(pair?.remoteCandidateId),
  };
}
