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
