// The first key seen for a name is remembered, so that a page opened without a stream
// id still notices when another key takes the name over.

export interface Pin {
  id: string;
  fingerprint: string;
}

export interface Pins {
  get(name: string): Pin | null;
  set(name: string, pin: Pin): void;
}

/** Pins that last as long as the browser keeps them; where it keeps nothing, as long as the page. */
export function browserPins(): Pins {
  const memory = new Map<string, Pin>();
  return {
    get(name) {
      try {
        const kept = JSON.parse(localStorage.getItem(key(name)) ?? "null") as Partial<Pin> | null;
        if (typeof kept?.id === "string" && typeof kept.fingerprint === "string") return { id: kept.id, fingerprint: kept.fingerprint };
      } catch {
        // Storage is switched off, or holds something else.
      }
      return memory.get(name) ?? null;
    },
    set(name, pin) {
      memory.set(name, pin);
      try {
        localStorage.setItem(key(name), JSON.stringify(pin));
      } catch {
        // Remembered until the page is closed.
      }
    },
  };
}

function key(name: string): string {
  return `shoal-pin:${name}`;
}
