// Watches what browsers tell about where a page runs: WebRTC, metered connections
// (Network Information API), hidden tabs (Page Visibility) and battery (Battery Status
// API). What a browser lacks it says nothing about, and nothing is limited by it.
import type { Surroundings } from "./consent.ts";

const metered = ["cellular", "wimax", "bluetooth"];
/** A tab hidden for less comes back soon: to leave the swarm and join it again would cost more than it saves. */
const hiddenMs = 20_000;

interface Connection extends EventTarget {
  saveData?: boolean;
  type?: string;
}
interface Battery extends EventTarget {
  charging: boolean;
}

/** The parts of a browser that are watched; tests give their own. */
export interface Browser {
  webrtc: boolean;
  connection: Connection | undefined;
  battery: (() => Promise<Battery>) | undefined;
  document: EventTarget & { hidden: boolean };
}

export class Watch {
  private battery: Battery | null = null;
  private longHidden = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last: string;
  private readonly listeners = new AbortController();

  /** Calls `changed` whenever now() is something else than before, until stop(). */
  constructor(
    private readonly changed: () => void,
    private readonly browser: Browser = thisBrowser(),
  ) {
    const { signal } = this.listeners;
    browser.connection?.addEventListener("change", () => this.look(), { signal });
    browser.document.addEventListener("visibilitychange", () => this.visibility(), { signal });
    void this.watchBattery(signal);
    this.last = JSON.stringify(this.now());
    this.visibility();
  }

  now(): Surroundings {
    const { connection, webrtc } = this.browser;
    return {
      webrtc,
      metered: connection?.saveData === true || metered.includes(connection?.type ?? ""),
      hiddenOnBattery: this.longHidden && this.battery !== null && !this.battery.charging,
    };
  }

  stop(): void {
    clearTimeout(this.timer);
    this.listeners.abort();
  }

  private visibility(): void {
    clearTimeout(this.timer);
    if (this.browser.document.hidden) {
      this.timer = setTimeout(() => {
        this.longHidden = true;
        this.look();
      }, hiddenMs);
      return;
    }
    this.longHidden = false;
    this.look();
  }

  private async watchBattery(signal: AbortSignal): Promise<void> {
    try {
      const battery = await this.browser.battery?.();
      if (!battery || signal.aborted) return;
      this.battery = battery;
      battery.addEventListener("chargingchange", () => this.look(), { signal });
      this.look();
    } catch {
      // A Permissions-Policy may forbid it: then it is not known.
    }
  }

  private look(): void {
    const now = JSON.stringify(this.now());
    if (now === this.last) return;
    this.last = now;
    this.changed();
  }
}

function thisBrowser(): Browser {
  const nav = navigator as Navigator & { connection?: Connection; getBattery?(): Promise<Battery> };
  return {
    webrtc: typeof RTCPeerConnection === "function",
    connection: nav.connection,
    battery: nav.getBattery?.bind(nav),
    document,
  };
}
