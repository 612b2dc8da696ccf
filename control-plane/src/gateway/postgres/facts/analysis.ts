import type { CommandFacts } from "../../../domain/facts.ts";

export type TransactionVerb = "begin" | "commit" | "rollback" | "savepoint" | "release" | "rollback_to" | "prepare" | "other";

/** SQL-level names of prepared statements that a text touches. They share one namespace with those of the extended protocol. */
export interface PreparedNames {
  readonly prepares: readonly string[];
  readonly deallocates: readonly string[] | "all";
  readonly executes: readonly string[];
}

/** How a COPY spells its rows; each of the characters is one as PostgreSQL takes it. */
export interface CopyOutLayout {
  readonly format: "text" | "csv" | "binary";
  readonly delimiter: string;
  readonly quote: string;
  readonly escape: string;
  readonly nullText: string;
  readonly header: boolean;
}

export interface CopyOut {
  /**
   * Its result has the same columns; not redacted, so never to be recorded. `COPY t TO STDOUT` without a column list leaves
   * generated columns out, which this text cannot know: whoever uses it compares the column counts.
   */
  readonly query: string;
  /** Undefined when not every option is known. */
  readonly layout: CopyOutLayout | undefined;
}

export interface StatementAnalysis {
  readonly facts: CommandFacts;
  /** The text as it may be recorded, logged and shown: password literals replaced by `'<redacted>'`. */
  readonly recordable: string;
  readonly redacted: boolean;
  /** Of a single COPY … TO STDOUT. */
  readonly copyOut: CopyOut | undefined;
  readonly preparedNames: PreparedNames;
  readonly transactionVerbs: readonly TransactionVerb[];
  /** Also when it may: `set_config` with a computed name, RESET ALL, DISCARD ALL. */
  readonly changesSearchPath: boolean;
}

export interface StatementAnalyser {
  /** Never throws and never rejects: what cannot be analysed is `unclassified`. Synchronous when the same text was seen before. */
  analyse(sql: Buffer): StatementAnalysis | Promise<StatementAnalysis>;
  /** Resolves when the parser is loaded; the first statement then costs what the others do. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

export const noPreparedNames: PreparedNames = { prepares: [], deallocates: [], executes: [] };

/** What is known of a text that was not parsed: nothing, hence the riskiest class (I11). */
export function unclassified(reason: string, recordable: string, redacted: boolean): StatementAnalysis {
  return {
    facts: {
      verbs: [],
      riskClass: "unclassified",
      relationsRead: [],
      relationsWritten: [],
      functions: [],
      hazards: ["unparsed"],
      // Unknown, but not none: a count of 0 means an empty query.
      statementCount: 1,
      fingerprint: "",
      unclassifiedReason: reason,
    },
    recordable,
    redacted,
    copyOut: undefined,
    preparedNames: noPreparedNames,
    transactionVerbs: [],
    changesSearchPath: true,
  };
}
