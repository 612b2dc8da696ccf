import type { Executable } from "./command-record.ts";

/**
 * Keeps a session read-only that policy opens so. The target does it: its transactions are read-only by default. What could
 * change that default, or a transaction, in one go with what would use the change, is refused here.
 *
 * O1. Nothing runs whose words ask for a transaction that may write.
 * O2. Nothing runs that can end a transaction from within and begin another: DO, CALL, and what cannot be parsed.
 * O3. Code that cannot be classified runs alone. If it changed the default, the agent hears of it before anything else runs,
 *     and ends the session.
 */
export function readOnlyObjection(
  executables: readonly Executable[],
  unsettled: boolean,
): { readonly executable: Executable; readonly why: string } | undefined {
  for (const executable of executables) {
    const { facts, leavesReadOnly } = executable;
    if (leavesReadOnly) return { executable, why: "it asks for transactions that may write" };
    if (facts.hazards.includes("unparsed")) return { executable, why: "this is not SQL that the gateway can read, so it could lead out of that" };
    if (facts.verbs.includes("DO") || facts.verbs.includes("CALL"))
      return { executable, why: "it could commit on its own, and write in the transaction after that" };
    const alone = executables.length === 1 && facts.statementCount <= 1 && !unsettled;
    if (!alone && executables.some(isOpaque)) return { executable, why: "code that cannot be classified must run by itself, followed by Sync" };
    if (unsettled) return { executable, why: "code that cannot be classified ran just before, without Sync" };
  }
  return undefined;
}

const isOpaque = ({ facts }: Executable): boolean => facts.riskClass === "unclassified";
