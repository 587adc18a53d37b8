// Session descriptions as strangers send them: what is looked at before the browser reads one. And what of them is compared.

const maxSdp = 8 << 10;
const maxCandidates = 24;

/** Throws when a description is not that of one data channel, or has more candidates than anybody needs: each costs checks. */
export function checkDescription(sdp: unknown): string {
  if (typeof sdp !== "string" || sdp.length > maxSdp) throw new Error("a description is longer than it may be, or no text");
  const media = sdp.match(/^m=.*/gm) ?? [];
  if (media.length !== 1 || !media[0]!.startsWith("m=application ")) throw new Error("a description is not that of a data channel alone");
  if (candidates(sdp) > maxCandidates) throw new Error("a description has too many candidates");
  return sdp;
}

export function candidates(sdp: string): number {
  return sdp.match(/^a=candidate:/gm)?.length ?? 0;
}

/** Reports whether two descriptions are of one connection: they keep their session's number (RFC 8829 section 5.2.1) and certificate. */
export function sameConnection(a: string, b: string): boolean {
  return session(a) === session(b) && fingerprint(a) === fingerprint(b);
}

function session(sdp: string): string {
  return /^o=\S+ (\d+) /m.exec(sdp)?.[1] ?? "";
}

function fingerprint(sdp: string): string {
  return /^a=fingerprint:(.*)$/m.exec(sdp)?.[1]?.trim().toLowerCase() ?? "";
}
