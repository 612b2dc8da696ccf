import { SallyportError } from "@sallyport/proto/errors";

/** What a script can rely on. */
export const exitStatus = { done: 0, refused: 1, misused: 2, unreachable: 3 } as const;
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** The control plane, or this machine's way to it, does not answer. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** The command line itself is wrong. */
export class Misuse extends Error {
  override readonly name = "Misuse";
}

export function statusOf(error: unknown): ExitStatus {
  if (error instanceof Unreachable) return exitStatus.unreachable;
  if (error instanceof Misuse) return exitStatus.misused;
  if (error instanceof SallyportError) return error.code === "input.invalid" ? exitStatus.misused : exitStatus.refused;
  return exitStatus.refused;
}
