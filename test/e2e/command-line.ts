import type { Person, Stack } from "../support/stack.ts";

/** What our own command line said, and how it ended. */
export interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export async function ran(stack: Stack, person: Person, ...args: readonly string[]): Promise<Ran> {
  const process = stack.cli(person, ...args);
  const { status } = await process.exited;
  return { status, out: process.stdout, err: process.stderr };
}

/** Its answer as JSON; its status and the error's code when it refused. */
export async function answerOf(stack: Stack, person: Person, ...args: readonly string[]): Promise<unknown> {
  const { status, out, err } = await ran(stack, person, "--json", ...args);
  return status === 0 ? (JSON.parse(out) as unknown) : [status, (JSON.parse(err) as { error: { code: string } }).error.code];
}
