// The choice of a rendition among the controls, where there are several.
import type { View } from "../view.ts";
import { h, write } from "./dom.ts";
import { qualityChoices } from "./words.ts";

/** Wires the choice up and returns what redraws it: in place, since the viewer may have it open. */
export function qualityChoice(select: HTMLSelectElement, choose: (rendition: string | null) => void): (v: View) => void {
  select.addEventListener("change", () => choose(select.value || null));
  return (v) => {
    const choices = qualityChoices(v);
    select.hidden = v.qualities.length < 2;
    while (select.options.length > choices.length) select.remove(select.options.length - 1);
    for (const [i, [rendition, name]] of choices.entries()) {
      const option = select.options[i] ?? select.appendChild(h("option"));
      if (option.value !== rendition) option.value = rendition;
      write(option, name);
    }
    const chosen = v.quality ?? "";
    if (select.value !== chosen) select.value = chosen;
  };
}
