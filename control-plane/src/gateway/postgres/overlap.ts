import type { Decision } from "../../domain/decision.ts";
import type { CommandFacts } from "../../domain/facts.ts";

/** Verbs that change nothing at all, not even the transaction: these may run while their event is being written (I1). */
const overlapping = new Set(["SELECT", "VALUES", "TABLE", "SHOW", "EXPLAIN"]);

export const mayOverlap = ({ effect }: Pick<Decision, "effect">, { riskClass, verbs }: CommandFacts): boolean =>
  effect === "allow" && riskClass === "read" && verbs.every((verb) => overlapping.has(verb));

/** A record that is known to be stalled refuses at the call: such a read must not even be sent (I3). */
export async function failsAtOnce(durable: Promise<void>): Promise<boolean> {
  const outcome = { failed: false };
  durable.catch(() => (outcome.failed = true));
  // As many turns of the microtask queue as a rejection takes to come through the authorizer, twice over.
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  return outcome.failed;
}
