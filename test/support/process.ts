import { type ChildProcess, spawn } from "node:child_process";
import { execPath, env as ownEnv } from "node:process";
import { createInterface } from "node:readline";
import { atEnd, type Cleanup } from "./cleanup.ts";

/** A test that reads more than this from one process has another problem; the oldest lines go first. */
export const MAX_KEPT_LINES = 20_000;
/** How long a process may take to obey SIGTERM at the end of a test. */
export const STOP_MS = 10_000;
/** How long to wait for a line when the caller does not say: the start of a control plane on a machine that has ten other things to do. */
export const LINE_MS = 60_000;

export interface ProcessOptions {
  /** Added to this process's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
}

export interface Exit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Line {
  readonly from: "stdout" | "stderr";
  readonly text: string;
}

interface Wait {
  readonly matches: (line: Line) => boolean;
  readonly resolve: (line: Line) => void;
  readonly reject: (error: Error) => void;
}

/** A process under test: its lines as they come, and its end. Stopped after the test if it still runs. */
export class TestProcess {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #lines: Line[] = [];
  readonly #waits = new Set<Wait>();
  #ended: string | undefined;
  readonly exited: Promise<Exit>;

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    for (const from of ["stdout", "stderr"] as const) {
      const stream = child[from];
      if (stream !== null) createInterface({ input: stream }).on("line", (text) => this.#take({ from, text }));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Exit>();
    child.once("error", reject);
    // `close`, not `exit`: every line is in by then.
    child.once("close", (status, signal) => resolve({ status, signal }));
    this.exited = promise;
    const ended = (how: string): void => {
      this.#ended = how;
      for (const wait of this.#waits) wait.reject(this.#endedEarly(how));
      this.#waits.clear();
    };
    promise.then(
      ({ status, signal }) => ended(signal ?? `status ${status}`),
      (error: unknown) => ended(String(error)),
    );
  }

  /** Any program. */
  static start(cleanup: Cleanup, program: string, args: readonly string[], options: ProcessOptions = {}): TestProcess {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...ownEnv, ...options.env },
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    // A process that ends without reading its input breaks the pipe; its exit tells more.
    child.stdin?.on("error", () => undefined).end(options.input);
    const started = new TestProcess([program, ...args].join(" "), child);
    atEnd(cleanup, () => started.stop());
    return started;
  }

  /** One of our own entry points, run by the Node that runs the test. */
  static node(cleanup: Cleanup, script: string, args: readonly string[] = [], options: ProcessOptions = {}): TestProcess {
    return TestProcess.start(cleanup, execPath, [script, ...args], options);
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw this.#failure("never started");
    return pid;
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }

  get stdout(): string {
    return this.#text("stdout");
  }

  get stderr(): string {
    return this.#text("stderr");
  }

  /** The first line that matches, already said or still to come. Rejects when the process ends without it, or after `timeoutMs`. */
  async line(matches: RegExp | ((text: string) => boolean), timeoutMs = LINE_MS): Promise<string> {
    const test = matches instanceof RegExp ? (text: string): boolean => matches.test(text) : matches;
    const line = await this.#find((candidate) => test(candidate.text), timeoutMs);
    return line.text;
  }

  /** The first line that is a JSON object and matches: a log entry with these fields, say. */
  async json(matches: (value: Readonly<Record<string, unknown>>) => boolean, timeoutMs = LINE_MS): Promise<Readonly<Record<string, unknown>>> {
    let found: Readonly<Record<string, unknown>> = {};
    await this.#find(({ text }) => {
      const value = jsonObject(text);
      if (value === undefined || !matches(value)) return false;
      found = value;
      return true;
    }, timeoutMs);
    return found;
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#child.kill(signal);
  }

  /** SIGTERM, and SIGKILL when that is not obeyed in time. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), STOP_MS);
    await this.exited.catch(() => undefined);
    clearTimeout(timer);
  }

  #take(line: Line): void {
    this.#lines.push(line);
    if (this.#lines.length > MAX_KEPT_LINES) this.#lines.shift();
    for (const wait of this.#waits) if (wait.matches(line)) wait.resolve(line);
  }

  async #find(matches: (line: Line) => boolean, timeoutMs: number): Promise<Line> {
    const said = this.#lines.find(matches);
    if (said !== undefined) return said;
    if (this.#ended !== undefined) throw this.#endedEarly(this.#ended);
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    const wait = { matches, resolve, reject };
    this.#waits.add(wait);
    const timer = setTimeout(() => reject(this.#failure(`did not say what was waited for within ${timeoutMs} ms`)), timeoutMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waits.delete(wait);
    }
  }

  #text(from: Line["from"]): string {
    return this.#lines
      .filter((line) => line.from === from)
      .map(({ text }) => `${text}\n`)
      .join("");
  }

  #endedEarly(how: string): Error {
    return this.#failure(`ended (${how}) without the line that was waited for`);
  }

  #failure(what: string): Error {
    const last = this.#lines
      .slice(-20)
      .map(({ from, text }) => `  ${from}: ${text}`)
      .join("\n");
    return new Error(`${this.#name} ${what}. Its last lines:\n${last}`);
  }
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
