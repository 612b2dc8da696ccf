import { type CommandFacts, riskClasses } from "../../domain/facts.ts";
import type { StatementAnalysis } from "./facts/analysis.ts";
import type { Prepared, SessionNames } from "./session-names.ts";

/** What may be prepared by PREPARE. Of the protocol's Parse anything may come, and do to names or transactions what the text of EXECUTE does not say. */
const touchesRows: ReadonlySet<string> = new Set(["SELECT", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE"]);

/** EXECUTE and FETCH are what their names stand for. Where that is not known they stay what their text says: EXECUTE unclassified. */
export function asNamed(text: Prepared, { statements, cursors }: SessionNames): Prepared {
  const { named } = text.analysis;
  if (named?.kind === "execute") {
    const prepared = statements.get(named.name);
    const known =
      prepared !== undefined && prepared.analysis.facts.riskClass !== "unclassified" && prepared.analysis.facts.verbs.every((verb) => touchesRows.has(verb));
    return known ? resolved(text, named.facts, prepared) : text;
  }
  const cursor = named?.kind === "fetch" ? cursors.get(named.name) : undefined;
  if (cursor === undefined) return text;
  const fetched = resolved(text, text.analysis.facts, cursor.declared);
  // One WITH HOLD outlives the views that its rows were made by, which the target goes on naming as their origins.
  return cursor.held ? { ...fetched, analysis: { ...fetched.analysis, outputs: text.analysis.outputs } } : fetched;
}

/** Bound to what runs as well as to the text: an approval of `EXECUTE p` is for what p is now (I4). */
function resolved({ sql, parameterTypes, analysis }: Prepared, own: CommandFacts, runs: Prepared): Prepared {
  const { recordable, outputs, redacted, hidesCode, searchPath, leavesReadOnly, stated } = runs.analysis;
  return {
    sql: Buffer.concat([sql, Buffer.from("\n-- runs: "), runs.sql]),
    parameterTypes,
    analysis: {
      ...analysis,
      facts: together(own, runs.analysis.facts),
      outputs,
      recordable: `${analysis.recordable}\n-- runs: ${recordable}`,
      redacted: analysis.redacted || redacted,
      hidesCode: analysis.hidesCode || hidesCode,
      searchPath: analysis.searchPath === undefined ? searchPath : both(analysis.searchPath, searchPath ?? []),
      leavesReadOnly: analysis.leavesReadOnly || leavesReadOnly,
      ...(stated === undefined ? {} : { stated: { ...stated, ...analysis.stated } }),
    },
  };
}

const both = <T>(a: readonly T[], b: readonly T[]): readonly T[] => [...new Set([...a, ...b])];

function together(own: CommandFacts, runs: CommandFacts): CommandFacts {
  const probed = new Set([own, runs].flatMap(({ columnsFiltered, columnsMatched }) => columnsFiltered.filter((name) => !columnsMatched.includes(name))));
  return {
    ...runs,
    verbs: both(own.verbs, runs.verbs),
    riskClass: riskClasses[Math.max(riskClasses.indexOf(own.riskClass), riskClasses.indexOf(runs.riskClass))] ?? "unclassified",
    relationsRead: both(own.relationsRead, runs.relationsRead),
    relationsWritten: both(own.relationsWritten, runs.relationsWritten),
    functions: both(own.functions, runs.functions),
    functionClasses: both(own.functionClasses, runs.functionClasses),
    hazards: both(own.hazards, runs.hazards),
    columnsRead: both(own.columnsRead, runs.columnsRead),
    columnsFiltered: both(own.columnsFiltered, runs.columnsFiltered),
    columnsMatched: both(own.columnsMatched, runs.columnsMatched).filter((name) => !probed.has(name)),
    columnsWritten: both(own.columnsWritten, runs.columnsWritten),
    columnsCopied: both(own.columnsCopied, runs.columnsCopied),
    settings: both(own.settings, runs.settings),
    rowLimit: smallest(own.rowLimit, runs.rowLimit),
    unclassifiedReason: own.unclassifiedReason,
  };
}

/** FETCH 10 of a cursor over LIMIT 5 gives five; 0 says nothing. */
const smallest = (...limits: readonly number[]): number => limits.reduce((least, limit) => (least === 0 || (limit > 0 && limit < least) ? limit : least), 0);

/** What a name that was just made stands for: what follows AS, or FOR. */
export function madeBy(text: Prepared): Prepared | undefined {
  const { named, facts } = text.analysis;
  if (named === undefined || !("outputs" in named)) return undefined;
  const verbs = facts.verbs.filter((verb) => verb !== "PREPARE" && verb !== "DECLARE");
  const analysis: StatementAnalysis = { ...text.analysis, facts: { ...facts, verbs }, outputs: named.outputs, named: undefined };
  return { ...text, analysis };
}
