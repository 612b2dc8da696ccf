import type { Purpose } from "../../../domain/decision.ts";
import { type CommandFacts, noColumnsKnown, plainFacts } from "../../../domain/facts.ts";
import { ANY_SCHEMA } from "./search-path.ts";

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
  /** Its result has the same columns, but for `withoutGenerated`; not redacted, so never to be recorded. */
  readonly query: string;
  /** `COPY t TO STDOUT` without a column list leaves generated columns out, which the text cannot tell: whoever uses it has to. */
  readonly withoutGenerated: boolean;
  /** Undefined when not every option is known. */
  readonly layout: CopyOutLayout | undefined;
}

/** Where a value comes from. */
export interface ColumnSource {
  /** Unqualified name of a relation; "" where the text does not tell. */
  readonly table: string;
  /** `*`: any column of it, or all of them. */
  readonly column: string;
}

/** One column of a result. */
export interface OutputColumn {
  /**
   * A mere reference to a column, perhaps through subqueries and CTEs: the target names its origin. Where it names none, the name was
   * that of a function of the row: any column of the tables in `sources`.
   */
  readonly plain: boolean;
  /** What it is made of, also when it is plain; where it is not, these hold whatever origin the target names. Empty: of no column. */
  readonly sources: readonly ColumnSource[];
  /** May depend on anything beside its sources. */
  readonly opaque: boolean;
}

export interface StatementOutputs {
  /** Undefined: the text does not tell how many there are (a star). */
  readonly columns: readonly OutputColumn[] | undefined;
  /** Of all columns that are not plain, for where positions cannot be told: those for which the target names no origin. */
  readonly computed: OutputColumn;
  /** False: an origin that the target names does not tell all, since the statement itself put other values there; then `computed` holds for every column. */
  readonly originsTell: boolean;
  /** What a change puts into columns of its table, constants left out; undefined: it may be anything. */
  readonly assigned: readonly AssignedColumn[] | undefined;
  /** No expression: what the target complains about stands in the text, or in its catalogue. */
  readonly evaluatesNothing: boolean;
}

export interface AssignedColumn {
  /** `*`: the text does not say into which. */
  readonly name: string;
  readonly value: OutputColumn;
}

/** What a single statement makes or uses by name. */
export type NamedUse =
  /** `outputs`: of what the name stands for. */
  | { readonly kind: "prepare"; readonly name: string; readonly outputs: readonly StatementOutputs[] }
  | { readonly kind: "declare"; readonly name: string; readonly held: boolean; readonly outputs: readonly StatementOutputs[] }
  /** `facts`: of the text alone, without those of what it executes. */
  | { readonly kind: "execute"; readonly name: string; readonly facts: CommandFacts }
  | { readonly kind: "fetch"; readonly name: string };

export interface StatementAnalysis {
  readonly facts: CommandFacts;
  /** The text as it may be recorded, logged and shown: passwords replaced by `<redacted: 9 bytes>`. */
  readonly recordable: string;
  readonly redacted: boolean;
  /** What was replaced may be code that runs: nobody who reads `recordable` knows what they read. */
  readonly hidesCode: boolean;
  /** Of a single COPY … TO STDOUT. */
  readonly copyOut: CopyOut | undefined;
  /** One for each statement, in order; empty columns for one without a result. A result beyond the list may hold anything. */
  readonly outputs: readonly StatementOutputs[];
  readonly preparedNames: PreparedNames;
  /** Undefined for any other text, and for several statements. */
  readonly named: NamedUse | undefined;
  readonly transactionVerbs: readonly TransactionVerb[];
  /** Schemas that it may put on the search path, `*` any; empty: it goes back to what was. Undefined: it leaves the path alone. */
  readonly searchPath: readonly string[] | undefined;
  /** It makes a relation that only this session has, and that hides what else has its name. */
  readonly makesTemporary: boolean;
  /** Names behind a dot: fields, or functions that are called with what stands before it; `*`: more than are listed. */
  readonly fields: readonly string[];
  /** Columns of which it makes something that it may answer; absent: none. Whether that can be converted into the client's encoding tells what they hold. */
  readonly columnsMade?: readonly string[];
  /** Its words ask for transactions that may write, where the session's default is read-only. */
  readonly leavesReadOnly: boolean;
  /** What it says about why the client acts (`SET sallyport.reason = '…'`); absent: nothing. */
  readonly stated?: StatedPurpose;
}

export interface StatementAnalyser {
  /** Never throws and never rejects: what cannot be analysed is `unclassified`. Synchronous when the same text was seen before. */
  analyse(sql: Buffer): StatementAnalysis | Promise<StatementAnalysis>;
  /** Resolves when the parser is loaded; the first statement then costs what the others do. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** Null: what was given at the start of the session holds again. */
export type StatedPurpose = { readonly [Part in keyof Purpose]?: string | null };

export const noPreparedNames: PreparedNames = { prepares: [], deallocates: [], executes: [] };

/** What is known of a text that was not parsed: nothing, hence the riskiest class (I11). */
export function unclassified(reason: string, recordable: string, redacted: boolean): StatementAnalysis {
  return {
    facts: {
      ...plainFacts,
      ...noColumnsKnown,
      functionClasses: ["unclassified"],
      riskClass: "unclassified",
      hazards: ["unparsed"],
      // Unknown, but not none: a count of 0 means an empty query.
      statementCount: 1,
      unclassifiedReason: reason,
    },
    recordable,
    redacted,
    // Nobody can tell a password from code in a text that does not parse.
    hidesCode: redacted,
    copyOut: undefined,
    outputs: [],
    preparedNames: noPreparedNames,
    named: undefined,
    transactionVerbs: [],
    searchPath: [ANY_SCHEMA],
    makesTemporary: true,
    fields: [],
    leavesReadOnly: true,
  };
}
