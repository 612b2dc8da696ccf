/** From harmless to worst; a statement has the worst class of anything in it. */
export const riskClasses = ["read", "write", "destructive", "administrative", "unclassified"] as const;
export type RiskClass = (typeof riskClasses)[number];

/**
 * What a command is, as far as its parser can tell: the only thing policy decides on, and recorded with each decision.
 * Every field is always present, so that no policy ever meets a missing attribute.
 */
export interface CommandFacts {
  /** Upper-case statement kinds in order of appearance, nested ones included, without repeats: `SELECT`, `DELETE`, `CREATE TABLE`, … */
  readonly verbs: readonly string[];
  readonly riskClass: RiskClass;
  /** `schema.name` where the statement says the schema, else `name`; lower-case as the target folds it. CTE names are not here. */
  readonly relationsRead: readonly string[];
  readonly relationsWritten: readonly string[];
  /** Functions called that are not known to be free of side effects. */
  readonly functions: readonly string[];
  /** Named dangers, a closed list (see `hazards`). */
  readonly hazards: readonly Hazard[];
  readonly statementCount: number;
  /** Same for statements that differ in constants only; 16 hex digits, or empty when the text does not parse. */
  readonly fingerprint: string;
  /** Why the class is `unclassified`, in a few words for people; else empty. */
  readonly unclassifiedReason: string;
}

/** By value, whatever the order in which the fields were written. */
export const sameFacts = (a: CommandFacts, b: CommandFacts): boolean => a === b || canonical(a) === canonical(b);

const canonical = (facts: CommandFacts): string => JSON.stringify(Object.entries(facts).toSorted(([x], [y]) => (x < y ? -1 : 1)));

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
