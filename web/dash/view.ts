// What a part of the dashboard is given, and what it must be able to.
import type { Answer } from "./api.ts";
import type { Names } from "./names.ts";
import type { Filter, State } from "./state.ts";

export interface Context {
  readonly state: State;
  readonly names: Names;
  /** Asks a chart, with the range and the filters; one that was asked in this refresh is not asked again. */
  ask(chart: string, more?: Record<string, string>): Promise<Answer>;
  /** Where a chart is as CSV. */
  csv(chart: string, more?: Record<string, string>): string;
  /** Says what went wrong where it did, unless it concerns the whole page. */
  failed(e: unknown, say: (words: string) => void): void;
  zoom(from: number, to: number): void;
  filter(name: Filter, value: string): void;
  go(change: Partial<State>): void;
}

export interface View {
  readonly element: HTMLElement;
  /** Asks for what is shown and shows it. */
  refresh(): Promise<void>;
  remove(): void;
}
