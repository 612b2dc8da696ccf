import { type CommandFacts, riskClasses } from "../facts.ts";

/** Says nothing about what a command does: the text's shape, and where in the session it comes. */
const beside: ReadonlySet<string> = new Set([
  "fingerprint",
  "transaction",
  "columnsMatched",
  "rowLimit",
  "riskClass",
  "statementCount",
] satisfies (keyof CommandFacts)[]);

/** Facts tell what it does but for values. Of what defines things, or administers, they do not: not to whom, as whom, nor with which program. */
export const isComparable = ({ riskClass, hazards }: CommandFacts): boolean =>
  riskClass !== "unclassified" && riskClass !== "administrative" && !hazards.includes("ddl");

/**
 * Whether a command does nothing that the one which people looked at does not do: to no other relation or column, by no other verb,
 * function or setting, with no other danger. Constants may be others. What is not comparable is like nothing. A fact that is added
 * later counts: every list must be within the other, and everything else the same. Which rows it changes is up to its conditions, of which
 * facts tell the columns and not how they are joined: what changes anything must be the same statement but for its constants; whoever has the texts
 * compares them too, since the fingerprint sorts what stands in lists.
 */
export function isNoMoreThan(shown: CommandFacts, now: CommandFacts): boolean {
  if (!isComparable(shown) || riskClasses.indexOf(now.riskClass) > riskClasses.indexOf(shown.riskClass)) return false;
  if (now.riskClass !== "read" && (now.fingerprint === "" || now.fingerprint !== shown.fingerprint)) return false;
  if (now.statementCount > shown.statementCount) return false;
  if (shown.rowLimit > 0 && (now.rowLimit === 0 || now.rowLimit > shown.rowLimit)) return false;
  if (!isWithin(searched(shown), searched(now))) return false;
  const known = new Map<string, unknown>(Object.entries(shown));
  return Object.entries(now).every(([name, value]) => {
    if (beside.has(name)) return true;
    const seen = known.get(name);
    return Array.isArray(value) && Array.isArray(seen) ? isWithin(seen, value) : JSON.stringify(value) === JSON.stringify(seen);
  });
}

/** Columns that it does more with than look up a value. */
const searched = ({ columnsFiltered, columnsMatched }: CommandFacts): readonly string[] => columnsFiltered.filter((column) => !columnsMatched.includes(column));

const isWithin = (all: readonly unknown[], some: readonly unknown[]): boolean => some.every((each) => all.includes(each));
