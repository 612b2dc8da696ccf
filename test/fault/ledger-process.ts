import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { execPath } from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A child that talks in lines. */
export class LedgerProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #errors = "";
  #over = false;
  #wake: (() => void) | undefined;

  constructor(args: readonly string[]) {
    this.#child = spawn(execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error("The child has no pipes.");
    this.#ended = once(this.#child, "close").then(() => {
      this.#over = true;
      this.#wake?.();
    });
    stderr.on("data", (chunk: Buffer) => (this.#errors += chunk.toString()));
    createInterface({ input: stdout }).on("line", (line) => {
      this.lines.push(line);
      this.#wake?.();
    });
  }

  static ledger(mode: "load" | "obey", file: string): LedgerProcess {
    return new LedgerProcess([fileURLToPath(new URL("./ledger-child.ts", import.meta.url)), mode, file]);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async until(condition: (lines: readonly string[]) => boolean): Promise<void> {
    while (!condition(this.lines)) {
      if (this.#over) throw new Error(`The child ended early: ${this.#errors}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Sends a line and answers the next one that the child prints. */
  async ask(line: string): Promise<string> {
    const next = this.lines.length;
    this.#child.stdin?.write(`${line}\n`);
    await this.until((lines) => lines.length > next);
    return this.lines[next] ?? "";
  }

  /** Resolves when the process is gone and everything it had printed is in `lines`. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    await this.#ended;
  }
}
