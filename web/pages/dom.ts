// What both pages need of the document.

export function el<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as T;
}

/** Sets text only when it changes, so that nothing is laid out or announced again. */
export function write(e: Element, text: string): void {
  if (e.textContent !== text) e.textContent = text;
}

export function icon(button: Element, name: string): void {
  const use = button.querySelector("use");
  if (use && use.getAttribute("href") !== `#i-${name}`) use.setAttribute("href", `#i-${name}`);
}

/** A list of terms and their values. */
export function facts(dl: Element, rows: [string, string][]): void {
  const want = JSON.stringify(rows);
  if (dl.getAttribute("data-rows") === want) return;
  dl.setAttribute("data-rows", want);
  dl.replaceChildren(
    ...rows.flatMap(([term, value]) => {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = value;
      dd.className = "mono";
      return [dt, dd];
    }),
  );
}
