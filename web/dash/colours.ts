// The style sheet's colours for canvases, which cannot read it.

const probe = document.createElement("span");
const known = new Map<string, string>();
const dark = matchMedia("(prefers-color-scheme: dark)");

/** A custom property of the style sheet as a colour, in the scheme that the page is in. */
export function colour(name: string): string {
  let found = known.get(name);
  if (!found) {
    if (!probe.isConnected) {
      probe.hidden = true;
      document.body.append(probe);
    }
    probe.style.color = `var(--${name})`;
    known.set(name, (found = getComputedStyle(probe).color));
  }
  return found;
}

/** Calls f whenever colours are others. */
export function onScheme(f: () => void): void {
  dark.addEventListener("change", () => {
    known.clear();
    f();
  });
}
