// The swarm as a picture: you in the middle, the others around you, nearer when they
// answer sooner. Viewers are fish that face who they give to, seeds and edges have shapes
// of their own, and what flows runs along the lines. Arrow keys go from one to the next.
import type { Counts, PeerView, View } from "../view.ts";
import { set, svg, write } from "./dom.ts";
import { angles, distance, point, ring, room, thickness } from "./places.ts";
import { type Names, peerWords, rate } from "./words.ts";

const fish = "M6.5 0q-4.55-6.5-9.75 0l-3.25-3.575v7.15l3.25-3.575q5.2 6.5 9.75 0z"; // of the logo
const shapes = {
  viewer: `${fish}`,
  seed: "M0-8.500L7.400-4.250V4.250L0 8.500-7.400 4.250V-4.250z",
  edge: "M0-9L9 0 0 9-9 0z",
  origin: "M-8-8.500H8v4.700H-8zM-8-2.350H8v4.700H-8zM-8 3.800H8v4.700H-8z",
};
const most = 24; // drawn; the table has all
const scale = 2.3; // the angle at which the rings say what they are
/** Where words stand, so that nobody is placed there. */
const words: [string, number][] = [
  ["scale", scale],
  ["you", Math.PI / 2],
];
const still = 6; // moves by less are not drawn

interface Drawn {
  down: number;
  up: number;
}

/** One node: what it is, where, and the lines to it. */
class Node {
  readonly group = svg("g", { class: "node", role: "img", tabindex: -1 });
  readonly lines = svg("g", { class: "lines" });
  radius = 0;
  x = 0;
  y = 0;
  private readonly turned = svg("g");
  private readonly paths = { down: this.line("down"), up: this.line("up") };

  constructor(
    readonly id: string,
    role: keyof typeof shapes,
    seed: number,
  ) {
    this.group.classList.add(role);
    this.lines.classList.add(role);
    const swim = svg("g", { class: "swim" }, svg("circle", { class: "halo", r: 15 }), svg("path", { class: "shape", d: shapes[role] }));
    swim.style.setProperty("animation-delay", `${-(seed % 5)}s`);
    this.turned.append(swim);
    this.group.append(svg("circle", { class: "hit", r: 22 }), this.turned);
    if (role !== "viewer") this.group.append(svg("text", { class: "tag", y: 23 }, role));
  }

  place(angle: number, rttMs: number | null): void {
    const radius = distance(rttMs);
    if (Math.abs(radius - this.radius) > still) this.radius = radius;
    ({ x: this.x, y: this.y } = point(angle, this.radius));
    this.group.style.transform = `translate(${this.x.toFixed(1)}px, ${this.y.toFixed(1)}px)`;
  }

  draw(d: Drawn, label: string, faces: boolean, relayed: boolean): void {
    set(this.group, "aria-label", label);
    this.group.classList.toggle("relayed", relayed);
    if (faces) {
      const inward = (Math.atan2(-this.y, -this.x) * 180) / Math.PI;
      this.turned.style.transform = `rotate(${(d.up > d.down ? inward + 180 : inward).toFixed(0)}deg)`;
    }
    this.flow("down", d.down, d.up > 0 ? 9 : 0);
    this.flow("up", d.up, d.down > 0 ? -9 : 0);
    this.lines.classList.toggle("idle", d.down < 1e3 && d.up < 1e3);
  }

  private line(which: "down" | "up") {
    const paths = [svg("path", { class: `way ${which}` }), svg("path", { class: `run ${which}` })];
    this.lines.append(...paths);
    return paths;
  }

  /** Draws one direction, bent aside so that both are seen. */
  private flow(which: "down" | "up", bits: number, bend: number): void {
    const length = Math.hypot(this.x, this.y) || 1;
    const [nx, ny] = [(-this.y / length) * bend, (this.x / length) * bend];
    const from = { x: this.x * (1 - 17 / length), y: this.y * (1 - 17 / length) };
    const to = { x: (this.x * 29) / length, y: (this.y * 29) / length };
    const [a, b] = which === "down" ? [from, to] : [to, from];
    const d = `M${a.x.toFixed(1)} ${a.y.toFixed(1)}Q${(this.x / 2 + nx * 2).toFixed(1)} ${(this.y / 2 + ny * 2).toFixed(1)} ${b.x.toFixed(1)} ${b.y.toFixed(1)}`;
    const thick = thickness(bits);
    for (const path of this.paths[which]) {
      set(path, "d", d);
      path.style.strokeWidth = String(path.classList.contains("run") ? thick : Math.max(which === "down" ? 1 : 0, thick));
    }
    this.paths[which][1]!.style.display = thick === 0 ? "none" : "";
  }
}

export class PeersPicture {
  readonly element: SVGSVGElement;
  private readonly nodes = new Map<string, Node>();
  private readonly lines = svg("g");
  private readonly group = svg("g");
  private readonly label = svg("g", { class: "label", "aria-hidden": "true" }, svg("rect", { rx: 7, height: 26 }), svg("text", { y: 17.5 }));
  private readonly more = svg("text", { class: "more", x: room.x - 8, y: room.y - 10 });
  private placed = new Map(words);
  private shown = ""; // whose label is shown

  constructor(private readonly names: Names) {
    const rings = [10, 50, 200].flatMap((ms) => {
      const { rx, ry } = ring(ms);
      return [svg("ellipse", { class: "ring", rx, ry }), svg("text", { class: "ms", x: rx * Math.cos(scale), y: ry * Math.sin(scale) + 4 }, `${ms} ms`)];
    });
    const you = svg(
      "g",
      { class: "you" },
      svg("circle", { class: "halo", r: 27 }),
      svg("g", { class: "swim" }, svg("path", { class: "shape", d: fish, transform: "scale(3.2)" })),
      svg("text", { class: "tag", y: 40 }, "you"),
    );
    this.element = svg(
      "svg",
      { class: "picture", viewBox: `${-room.x} ${-room.y} ${2 * room.x} ${2 * room.y}`, role: "group" },
      ...[svg("g", { "aria-hidden": "true" }, ...rings), this.lines, you, this.group, this.more, this.label],
    );
    this.group.addEventListener("keydown", (e) => this.move(e));
    for (const name of ["pointerover", "focusin"]) this.group.addEventListener(name, (e) => this.show(nodeOf(e)));
    for (const name of ["pointerout", "focusout"]) this.group.addEventListener(name, () => this.show(""));
  }

  draw(v: View): void {
    const { peers } = v.swarm;
    const drawn = [...peers].sort((a, b) => Number(a.role === "viewer") - Number(b.role === "viewer")).slice(0, most);
    const last = v.swarm.minute.slice(-3);
    const origin = mean(last, "origin");
    // What came over the swarm is told by its lines; what came over HTTP has none.
    const ids = [...words.map(([id]) => id), ...(origin > 0 || peers.length === 0 ? ["origin"] : []), ...drawn.map((p) => `peer ${p.id}`)];
    this.placed = angles(ids, this.placed);
    for (const [id, node] of this.nodes) if (!this.placed.has(id)) this.remove(id, node);
    if (this.placed.has("origin")) {
      const node = this.node("origin", "origin");
      node.place(this.placed.get("origin")!, 100);
      node.draw({ down: origin, up: 0 }, `origin · ↓ ${rate(origin)}`, false, false);
    }
    for (const p of drawn) this.drawPeer(p);
    set(this.element, "aria-label", peers.length === 0 ? "Nobody else is connected" : `You and ${peers.length} others; arrow keys go from one to the next`);
    write(this.more, peers.length > most ? `and ${peers.length - most} more` : "");
    this.rove();
    this.drawLabel();
  }

  private drawPeer(p: PeerView): void {
    const node = this.node(`peer ${p.id}`, p.role);
    node.place(this.placed.get(node.id)!, p.rttMs);
    node.draw(p, peerWords(this.names.of(p), p), p.role === "viewer", p.relayed);
  }

  private node(id: string, role: keyof typeof shapes): Node {
    let node = this.nodes.get(id);
    if (!node) {
      this.nodes.set(id, (node = new Node(id, role, this.nodes.size * 1.7)));
      node.group.dataset["id"] = id;
      this.group.append(node.group);
      this.lines.append(node.lines);
    }
    return node;
  }

  private remove(id: string, node: Node): void {
    node.group.remove();
    node.lines.remove();
    this.nodes.delete(id);
    if (this.shown === id) this.shown = "";
  }

  /** One of them is in the order of Tab; arrow keys reach the others. */
  private rove(to?: Node): void {
    const all = [...this.nodes.values()];
    const current = to ?? all.find((n) => n.group.getAttribute("tabindex") === "0") ?? all[0];
    for (const n of all) set(n.group, "tabindex", n === current ? 0 : -1);
  }

  private move(e: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    if (!step) return;
    e.preventDefault();
    e.stopPropagation(); // arrows are the volume elsewhere
    const round = [...this.nodes.values()].sort((a, b) => Math.atan2(a.y, a.x) - Math.atan2(b.y, b.x));
    const at = round.findIndex((n) => n.id === nodeOf(e));
    const next = round[(at + step + round.length) % round.length];
    if (!next) return;
    this.rove(next);
    next.group.focus();
  }

  private show(id: string): void {
    this.shown = id;
    this.drawLabel();
  }

  private drawLabel(): void {
    const node = this.nodes.get(this.shown);
    this.label.style.display = node ? "" : "none";
    if (!node) return;
    const [box, text] = [this.label.firstElementChild!, this.label.lastElementChild!];
    const said = node.group.getAttribute("aria-label") ?? "";
    write(text, said);
    const width = Math.min(2 * room.x - 8, said.length * 6.4 + 20);
    set(box, "width", width);
    set(text, "x", width / 2);
    const x = Math.min(room.x - width - 4, Math.max(4 - room.x, node.x - width / 2));
    const y = node.y < -room.y + 56 ? node.y + 30 : node.y - 48;
    this.label.style.transform = `translate(${x}px, ${y}px)`;
  }
}

function nodeOf(e: Event): string {
  return (e.target as Element).closest<SVGGElement>(".node")?.dataset["id"] ?? "";
}

/** bit/s over some seconds. */
function mean(of: Counts[], source: keyof Counts): number {
  return of.length === 0 ? 0 : (8 * of.reduce((sum, s) => sum + s[source], 0)) / of.length;
}
