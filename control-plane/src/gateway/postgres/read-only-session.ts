import type { Executable } from "./command-record.ts";

/**
 * Keeps a session read-only that policy opens so. The target does it: its transactions are read-only by default. What could
 * change that default, or a transaction, in one go with what would use the change, is refused here.
 *
 * O1. Nothing runs whose words ask for a transaction that may write.
 * O2. Nothing runs that can end a transaction from within and begin another: DO, CALL, and what cannot be parsed.
 * O3. Nothing runs that writes large objects: up to PostgreSQL 15 a read-only transaction lets it.
 * O4. Code that cannot be classified runs alone. If it changed the default, the agent hears of it before anything else runs,
 *     and ends the session.
 */
export function readOnlyObjection(
  executables: readonly Executable[],
  unsettled: boolean,
): { readonly executable: Executable; readonly why: string } | undefined {
  for (const executable of executables) {
    const { facts } = executable;
    const why = objectionTo(executable);
    if (why !== undefined) return { executable, why };
    const alone = executables.length === 1 && facts.statementCount <= 1 && !unsettled;
    if (!alone && executables.some(isOpaque)) return { executable, why: "code that cannot be classified must run by itself, followed by Sync" };
    if (unsettled) return { executable, why: "code that cannot be classified ran just before, without Sync" };
  }
  return undefined;
}

/** Whatever else runs beside it; also of what is only prepared, which EXECUTE could run later. */
export function objectionTo({ facts, leavesReadOnly }: Executable): string | undefined {
  if (leavesReadOnly) return "it asks for transactions that may write";
  if (facts.hazards.includes("unparsed")) return "this is not SQL that the gateway can read, so it could lead out of that";
  if (facts.verbs.includes("DO") || facts.verbs.includes("CALL")) return "it could commit on its own, and write in the transaction after that";
  return facts.functions.some((name) => writingLargeObjects.has(name))
    ? "it writes large objects, which some servers let a read-only transaction do"
    : undefined;
}

const writingLargeObjects: ReadonlySet<string> = new Set(
  "lo_creat lo_create lo_from_bytea lo_import lo_put lo_truncate lo_truncate64 lo_unlink lowrite".split(" "),
);

const isOpaque = ({ facts }: Executable): boolean => facts.riskClass === "unclassified";
