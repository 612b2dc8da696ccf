import { type CommandFacts, plainFacts, riskClasses } from "../facts.ts";

/** One command of a plan: each may run once, when those before it have run. */
export interface PlannedCommand {
  readonly statement: string;
  /** Of the text without blanks around it and without its semicolon, for this requester on this resource. */
  readonly digest: string;
  readonly facts: CommandFacts;
  /** That decided on it when the plan was asked for; others mean that something else was decided. */
  readonly rules: readonly string[];
}

export interface Plan {
  readonly commands: readonly PlannedCommand[];
  /** From when it is granted. */
  readonly forSeconds: number;
  /** For whoever decides. */
  readonly reason: string;
}

/** A person reads all of them, and they stand in one event. */
export const MAX_PLAN_COMMANDS = 50;
/** The same; a statement of a plan is also a text of its own in the event. */
export const MAX_PLAN_BYTES = 32_768;

/** What all of them together are: the worst class of any, and everything that any of them touches. */
export function mergedFacts(all: readonly CommandFacts[]): CommandFacts {
  const union = (pick: (facts: CommandFacts) => readonly string[]): readonly string[] => [...new Set(all.flatMap(pick))];
  // What one command only looks up, another may search through.
  const searched = new Set(all.flatMap(({ columnsFiltered, columnsMatched }) => columnsFiltered.filter((column) => !columnsMatched.includes(column))));
  return {
    ...plainFacts,
    verbs: union(({ verbs }) => verbs),
    riskClass: riskClasses[Math.max(0, ...all.map(({ riskClass }) => riskClasses.indexOf(riskClass)))] ?? "unclassified",
    relationsRead: union(({ relationsRead }) => relationsRead),
    relationsWritten: union(({ relationsWritten }) => relationsWritten),
    functions: union(({ functions }) => functions),
    functionClasses: riskClasses.filter((riskClass) => all.some(({ functionClasses }) => functionClasses.includes(riskClass))),
    hazards: [...new Set(all.flatMap(({ hazards }) => hazards))],
    statementCount: all.reduce((sum, { statementCount }) => sum + statementCount, 0),
    columnsRead: union(({ columnsRead }) => columnsRead),
    columnsFiltered: union(({ columnsFiltered }) => columnsFiltered),
    columnsMatched: union(({ columnsMatched }) => columnsMatched.filter((column) => !searched.has(column))),
    columnsWritten: union(({ columnsWritten }) => columnsWritten),
    columnsCopied: union(({ columnsCopied }) => columnsCopied),
    settings: union(({ settings }) => settings),
  };
}
