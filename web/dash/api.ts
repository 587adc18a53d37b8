// The dashboard's side of /api/v1/dash.

export type Cell = number | string | boolean | null | Cell[];

/** What a chart answers. */
export interface Answer {
  columns: string[];
  rows: Cell[][];
  /** Unix seconds. */
  from: number;
  to: number;
  /** Seconds between two points. */
  step: number;
}

/** Who asks is not logged in. */
export class LoginNeeded extends Error {}
/** There is nothing to ask; the message says why, and what to do. */
export class Away extends Error {}

const at = "/api/v1/dash/";
const unreachable = "This server does not answer. Trying again.";

async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(at + path, options);
  } catch (e) {
    if (options.signal?.aborted) throw e;
    throw new Away(unreachable);
  }
  if (answer.ok) return answer;
  const why = await answer
    .json()
    .then((said: { error?: string }) => said.error ?? "")
    .catch(() => "");
  if (answer.status === 401) throw new LoginNeeded(why);
  if (answer.status === 503 || answer.status === 404) throw new Away(why || unreachable);
  throw new Error(why || `The server answered ${answer.status}: its log may say why.`);
}

/** Logs in; the error says why that cannot be. */
export async function login(token: string): Promise<void> {
  await ask("login", { method: "POST", body: JSON.stringify({ token }) });
}

export async function logout(): Promise<void> {
  await ask("logout", { method: "POST" });
}

/** Throws unless there is something to be shown. */
export async function status(): Promise<void> {
  const said = (await (await ask("status")).json()) as { login: boolean; ready: boolean; why: string };
  if (!said.login) throw new LoginNeeded();
  if (!said.ready) throw new Away(said.why);
}

export function addressOf(chart: string, q: URLSearchParams): string {
  return `chart/${chart}?${q}`;
}

export function csvOf(chart: string, q: URLSearchParams): string {
  const all = new URLSearchParams(q);
  all.set("format", "csv");
  return at + addressOf(chart, all);
}

export async function chart(name: string, q: URLSearchParams, signal?: AbortSignal): Promise<Answer> {
  return (await (await ask(addressOf(name, q), signal ? { signal } : {})).json()) as Answer;
}
