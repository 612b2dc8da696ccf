import { getSystemErrorMessage } from "node:util";
import { SallyportError } from "@sallyport/proto/errors";
import { exitStatus, type ExitStatus, Misuse, Unreachable } from "./exit-status.ts";

/** What went wrong, as `--json` writes it. `code` is one of docs/reference/errors.md, or how the exit status is called. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, string>>;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof SallyportError) return { code: error.code, message: error.message, details: error.details };
  const code = error instanceof Unreachable ? "unreachable" : statusOf(error) === exitStatus.misused ? "misused" : "internal";
  if (isSystemError(error) && error.path !== undefined) {
    return { code, message: `${error.path}: ${getSystemErrorMessage(error.errno)}.`, details: {} };
  }
  return { code, message: error instanceof Error ? error.message : String(error), details: {} };
}

/** For people: our code, the message, and each detail on a line of its own. */
export function explain(error: unknown): string {
  const { code, message, details } = failureOf(error);
  const said = error instanceof SallyportError ? `${code}: ${message}` : message;
  return [said, ...Object.entries(details).map(([key, value]) => `  ${key}: ${value}`)].join("\n");
}

export function statusOf(error: unknown): ExitStatus {
  if (error instanceof Unreachable) return exitStatus.unreachable;
  if (error instanceof Misuse || (isSystemError(error) && misnamed.has(error.code))) return exitStatus.misused;
  if (error instanceof SallyportError) return error.code === "input.invalid" ? exitStatus.misused : exitStatus.refused;
  return exitStatus.refused;
}

/** Of a file or folder that was named on the command line. */
const misnamed: ReadonlySet<string | undefined> = new Set(["ENOENT", "EACCES", "EISDIR", "ENOTDIR", "EEXIST"]);

interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly path?: string;
}

const isSystemError = (error: unknown): error is SystemError =>
  error instanceof Error && "errno" in error && typeof error.errno === "number" && "syscall" in error;
