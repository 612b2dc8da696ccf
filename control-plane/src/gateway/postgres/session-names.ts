import type { Bind } from "@sallyport/proto/wire/postgres/extended";
import type { StatementAnalysis } from "./facts/analysis.ts";
import type { NamedObjects } from "./named-objects.ts";

/** A prepared statement, and what is known of it. */
export interface Prepared {
  readonly sql: Buffer;
  readonly parameterTypes: readonly number[];
  readonly analysis: StatementAnalysis;
  /** The target refuses these bytes, whatever policy says. */
  readonly garbled?: boolean;
}

export interface Portal {
  readonly prepared: Prepared | undefined;
  readonly bind: Bind;
}

export interface SessionNames {
  readonly statements: NamedObjects<Prepared>;
  readonly portals: NamedObjects<Portal>;
  readonly cursors: NamedObjects<Cursor>;
}

/** Made by DECLARE. */
export interface Cursor {
  readonly declared: Prepared;
  /** Outlives its transaction. */
  readonly held: boolean;
}

/** Commands that make or end cursors, which share their names with portals. */
const cursorVerbs = /^(DECLARE|CLOSE|ROLLBACK|DISCARD|FETCH|MOVE)/;

export const touchesPortals = (analysis: StatementAnalysis | undefined): boolean =>
  analysis === undefined || analysis.facts.riskClass === "unclassified" || analysis.facts.verbs.some((verb) => cursorVerbs.test(verb));

/**
 * Names that mean something else, or nothing known, once this has run: SQL's PREPARE and DEALLOCATE share them with the
 * protocol, and code that cannot be classified could do either.
 */
export function preparedNamesAfter(analysis: StatementAnalysis | undefined): readonly string[] | "all" {
  if (analysis === undefined || analysis.facts.riskClass === "unclassified") return "all";
  const { prepares, deallocates } = analysis.preparedNames;
  if (deallocates === "all") return "all";
  return [...prepares, ...deallocates].map((name) => Buffer.from(name, "utf8").toString("latin1"));
}
