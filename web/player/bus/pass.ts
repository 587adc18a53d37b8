// What a page connects to NATS with.
import { object, string } from "../dsse.ts";

/** Lets a page subscribe to its stream's entries and report, for some minutes. */
export interface Pass {
  url: string;
  jwt: string;
  manifest: string; // the subject of all renditions' entries
  control: string; // where this page is answered
  telemetry: string; // where it reports
}

/** Reads what the origin answers to a request for a pass. */
export function passFrom(value: unknown): Pass {
  const o = object(value, "the pass");
  return {
    url: string(o, "url"),
    jwt: string(o, "jwt"),
    manifest: string(o, "manifest"),
    control: string(o, "control"),
    telemetry: string(o, "telemetry"),
  };
}
