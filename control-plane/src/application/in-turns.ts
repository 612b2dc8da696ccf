import { setImmediate as turn } from "node:timers/promises";

/** Decisions of policy in a row, up to a quarter of a millisecond each; then sessions have their turn. */
export const DECISIONS_AT_ONCE = 20;

/** An answer for each, however many there are; nobody else waits for all of them. */
export async function inTurns<T, R>(all: readonly T[], decide: (each: T) => R): Promise<R[]> {
  const answers: R[] = [];
  for (const each of all) {
    answers.push(decide(each));
    if (answers.length % DECISIONS_AT_ONCE === 0) await turn();
  }
  return answers;
}
