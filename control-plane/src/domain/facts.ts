/** From harmless to worst; a statement has the worst class of anything in it. */
export const riskClasses = ["read", "write", "destructive", "administrative", "unclassified"] as const;
export type RiskClass = (typeof riskClasses)[number];

/**
 * Columns are `table.column`, without a schema, quoted only where a dot or a quote is inside. `table.*` is any of its columns, or all of
 * them (a star, a whole row); `*.*` any column of anything. A name that may be a column of several tables is there for each. Of a view the
 * columns are the view's own; where policy asks what a command does with masked columns, those that the target's catalogue says they are
 * made of are in `columnsFiltered`, `columnsMatched` and `columnsCopied` beside them.
 */
export interface ColumnFacts {
  readonly columnsRead: readonly string[];
  /** Looked at to pick, order, group or join rows, or to take a branch: they can be probed without being shown. */
  readonly columnsFiltered: readonly string[];
  /** Of these, those that are only compared for equality with constants and parameters, or with NULL. */
  readonly columnsMatched: readonly string[];
  /** Given a value by INSERT, UPDATE, MERGE, COPY or CREATE … AS. */
  readonly columnsWritten: readonly string[];
  /** Their values go into other columns, a new relation, a file, or a function that keeps what it is given. */
  readonly columnsCopied: readonly string[];
}

/** Of a command that cannot be looked into. */
export const unknownColumns = ["*.*"] as const;
export const noColumnsKnown: ColumnFacts = {
  columnsRead: unknownColumns,
  columnsFiltered: unknownColumns,
  columnsMatched: [],
  columnsWritten: unknownColumns,
  columnsCopied: unknownColumns,
};

/** Among relations: any of them, besides those that are named. What CASCADE reaches only the target knows. */
export const ANY_RELATION = "*.*";

/** Of the session, when the command is judged. `unknown`: recorded before this was noted. */
export const transactionStates = ["none", "open", "failed", "unknown"] as const;
export type TransactionState = (typeof transactionStates)[number];

/**
 * What a command is, as far as its parser can tell: the only thing policy decides on, and recorded with each decision.
 * Every field is always present, so that no policy ever meets a missing attribute.
 */
export interface CommandFacts extends ColumnFacts {
  /** Upper-case statement kinds in order of appearance, nested ones included, without repeats: `SELECT`, `DELETE`, `CREATE TABLE`, … */
  readonly verbs: readonly string[];
  readonly riskClass: RiskClass;
  /** `schema.name` where the statement says the schema, else `name`; lower-case as the target folds it. CTE names are not here. */
  readonly relationsRead: readonly string[];
  /** `*.*` among them: it may reach any other one, too. */
  readonly relationsWritten: readonly string[];
  /** Functions called that are not known to be free of side effects. */
  readonly functions: readonly string[];
  /** The classes of what these may do, from harmless to worst; none where none is called. Of `set_config` that of the setting; of a command that cannot be looked into `unclassified`. */
  readonly functionClasses: readonly RiskClass[];
  /** Named dangers, a closed list (see `hazards`). */
  readonly hazards: readonly Hazard[];
  readonly statementCount: number;
  /** Same for statements that differ in constants only; 16 hex digits, or empty when the text does not parse. */
  readonly fingerprint: string;
  /** The most rows that its queries give back, where each has a constant LIMIT; 0: there is no limit. */
  readonly rowLimit: number;
  /** Settings that it changes or resets; `*`: any. */
  readonly settings: readonly string[];
  readonly transaction: TransactionState;
  /** Why the class is `unclassified`, in a few words for people; else empty. */
  readonly unclassifiedReason: string;
}

/** By value, whatever the order in which the fields were written; the session's transaction is beside the point. */
export const sameFacts = (a: CommandFacts, b: CommandFacts): boolean => a === b || canonical(a) === canonical(b);

const canonical = (facts: CommandFacts): string => JSON.stringify(Object.entries({ ...facts, transaction: "none" }).toSorted(([x], [y]) => (x < y ? -1 : 1)));

/** Of one read that touches nothing; what there is to say of another is said beside it. */
export const plainFacts: CommandFacts = {
  verbs: [],
  riskClass: "read",
  relationsRead: [],
  relationsWritten: [],
  functions: [],
  functionClasses: [],
  hazards: [],
  statementCount: 1,
  fingerprint: "",
  columnsRead: [],
  columnsFiltered: [],
  columnsMatched: [],
  columnsWritten: [],
  columnsCopied: [],
  rowLimit: 0,
  settings: [],
  transaction: "none",
  unclassifiedReason: "",
};

/** Each is a word that policy may name. Adding one is a contract change. */
export const hazards = [
  "ddl",
  "drop",
  "truncate",
  "delete_without_where",
  "update_without_where",
  "copy_program",
  "server_file",
  "role_change",
  "set_role",
  "privilege_change",
  "server_configuration",
  "dynamic_code",
  "foreign_access",
  "opaque_function",
  "session_control",
  "replication",
  "unparsed",
] as const;
export type Hazard = (typeof hazards)[number];

/** The facts of records that were written before columns, limits, settings and transactions were noted: any column of what they name. */
export function liftFacts(old: object): object {
  const { relationsRead = [], relationsWritten = [] } = old as Partial<CommandFacts>;
  const anyOf = (relations: readonly string[]): string[] => relations.map((name) => `${unqualified(name)}.*`);
  return {
    ...old,
    columnsRead: anyOf(relationsRead),
    columnsFiltered: anyOf(relationsRead),
    columnsMatched: [],
    columnsWritten: anyOf(relationsWritten),
    columnsCopied: [],
    rowLimit: 0,
    settings: [],
    transaction: "unknown",
  };
}

/** The facts of records that were written before functions had classes: at worst that of the command. */
export function liftFunctionClasses(old: object): object {
  const { functions = [], hazards: dangers = [], riskClass = "unclassified" } = old as Partial<CommandFacts>;
  return { ...old, functionClasses: functions.length === 0 && !dangers.includes("unparsed") ? [] : [riskClass] };
}

/** A column's name has a table before it, and no schema. */
const unqualified = (name: string): string => /(?:[^."]|"(?:[^"]|"")*")+$/.exec(name)?.[0] ?? name;

/** A name as facts write it; the parts are without quotes. */
export const columnName = (...parts: readonly string[]): string =>
  parts.map((part) => (/[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part)).join(".");

/** The parts of a name as facts write it, without quotes. */
export function nameParts(name: string): readonly string[] {
  if (!name.includes('"')) return name.split(".");
  return Array.from(name.matchAll(/(?:[^."]|"(?:[^"]|"")*")+/g), ([part]) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part));
}
