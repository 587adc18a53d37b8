// What pages and the element need of the document, or of the shadow root that they live in.

export type Root = Document | ShadowRoot;

/** Finds the element of a root that has an id; it is a mistake of ours when there is none. */
export function finder(root: Root): <T extends HTMLElement = HTMLElement>(id: string) => T {
  return <T extends HTMLElement>(id: string) => {
    const found = root.getElementById(id);
    if (!found) throw new Error(`the page has no element ${id}`);
    return found as T;
  };
}

/** Sets text only when it changes, so that nothing is laid out or announced again. */
export function write(e: Element, text: string): void {
  if (e.textContent !== text) e.textContent = text;
}

/** Sets an attribute only when it changes; null removes it. */
export function set(e: Element, name: string, value: string | number | null): void {
  if (value === null) e.removeAttribute(name);
  else if (e.getAttribute(name) !== String(value)) e.setAttribute(name, String(value));
}

export function icon(button: Element, name: string): void {
  const use = button.querySelector("use");
  if (use) set(use, "href", `#i-${name}`);
}

type Attributes = Record<string, string | number>;

/** Makes an element. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, String(value));
  e.append(...children);
  return e;
}

/** Makes an SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: (Node | string)[]): SVGElementTagNameMap[K] {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, String(value));
  e.append(...children);
  return e;
}

/** A symbol of the sprite, as decoration. */
export function symbol(name: string): SVGSVGElement {
  return svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}

/** A list of terms and their values. */
export function facts(dl: Element, rows: [string, string][]): void {
  const want = JSON.stringify(rows);
  if (dl.getAttribute("data-rows") === want) return;
  dl.setAttribute("data-rows", want);
  dl.replaceChildren(...rows.flatMap(([term, value]) => [h("dt", {}, term), h("dd", { class: "mono" }, value)]));
}
