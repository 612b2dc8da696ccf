import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The other workspaces are started as programs, never imported. */
const entry = {
  "control-plane": fileURLToPath(new URL("../../control-plane/src/main.ts", import.meta.url)),
  "edge-agent": fileURLToPath(new URL("../../edge-agent/src/main.ts", import.meta.url)),
  "ledger": fileURLToPath(new URL("../../control-plane/src/ledger-main.ts", import.meta.url)),
} as const;

/**
 * Without Node's announcement of node:sqlite. A relay makes garbage as fast as bytes pass: with Node's small nursery half of
 * its collections are for nothing.
 */
const nodeOptions = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=64"];

export type ProgramName = keyof typeof entry;

/** Runs one in the foreground, with our terminal; resolves with its exit status. Signals go to it, and it decides. */
export async function runForeground(name: ProgramName, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const child = spawn(process.execPath, [...nodeOptions, entry[name], ...args], { stdio: "inherit", env });
  // Ctrl-C in a terminal reaches the child by itself, too: it takes what comes at once for one.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

export interface Background {
  readonly name: ProgramName;
  readonly pid: number;
  /** Resolves when it is gone. */
  readonly exited: Promise<number>;
  stop(): Promise<void>;
}

interface LogLine {
  readonly msg?: string;
  readonly [field: string]: unknown;
}

/** Longer than both programs' own bounds for draining. */
const STOP_MILLIS = 40_000;
/** The last lines of a program that ended before it was ready. */
const KEPT_LINES = 20;

export interface BackgroundOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** The message of the log line that says that it is ready. */
  readonly ready: string;
  /** Resolves with the reason why it will never be. */
  readonly unless?: Promise<Error>;
}

/**
 * Starts one in the background, its log in a file; resolves with the fields of the log line that says that it is ready.
 * In a process group of its own, so that Ctrl-C reaches us and we stop things in order; it ends by itself when we are gone.
 */
export async function startBackground(
  name: ProgramName,
  args: readonly string[],
  options: BackgroundOptions,
): Promise<{ readonly program: Background; readonly line: LogLine }> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = createWriteStream(options.logFile, { flags: "a", mode: 0o600 });
  const child = spawn(process.execPath, [...nodeOptions, entry[name], ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...options.env, SALLYPORT_STOP_WITH_STDIN: "on" },
    detached: true,
  });
  const last: string[] = [];
  const keep = (line: string): void => {
    log.write(`${line}\n`);
    last.push(line);
    if (last.length > KEPT_LINES) last.shift();
  };
  createInterface({ input: child.stderr }).on("line", keep);
  const exited = new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? 1)));
  const line = await new Promise<LogLine>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (text) => {
      keep(text);
      const parsed = parse(text);
      if (parsed?.msg === options.ready) resolve(parsed);
    });
    child.on("error", reject);
    void options.unless?.then(reject);
    void exited.then(() =>
      reject(new Error(`The ${name} ended before it was ready:\n${last.map((text) => parse(text)?.msg ?? text).join("\n")}\nIts log: ${options.logFile}`)),
    );
  });
  return { program: { name, pid: child.pid ?? 0, exited, stop: () => stop(child, exited) }, line };
}

async function stop(child: ChildProcess, exited: Promise<number>): Promise<void> {
  child.kill("SIGTERM");
  const cut = setTimeout(() => child.kill("SIGKILL"), STOP_MILLIS);
  await exited;
  clearTimeout(cut);
}

function parse(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}
