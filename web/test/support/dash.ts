// The dashboard over the real engine, with made-up viewers: analytics/dash/dashtest.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../../..");

export class TestDash {
  private constructor(
    readonly url: string,
    readonly token: string,
    private readonly child: ChildProcess,
    private readonly dir: string,
  ) {}

  static async start(): Promise<TestDash> {
    const dir = mkdtempSync(join(tmpdir(), "shoal-dash-"));
    const program = join(dir, "dashtest");
    execFileSync("go", ["build", "-o", program, "./analytics/dash/dashtest"], { cwd: repository, stdio: "inherit" });
    const child = spawn(program, { cwd: repository, stdio: ["pipe", "pipe", "inherit"] });
    const line = await new Promise<string>((done, failed) => {
      child.stdout.setEncoding("utf8").once("data", done);
      child.once("exit", (code) => failed(new Error(`dashtest ended with ${code}`)));
    });
    const [url, token] = line.trim().split(" ") as [string, string];
    return new TestDash(url, token, child, dir);
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.child.once("exit", done));
    this.child.stdin?.end();
    await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }
}
