import type { A_Const, DefElem, Node, VariableSetStmt } from "@pgsql/types";
import type { TransactionVerb } from "./analysis.ts";
import { type FactsBuilder, risk } from "./facts-builder.ts";
import { quoteIdentifier, strings } from "./names.ts";
import { noteSetting } from "./settings.ts";
import { plain, type StatementHandlers } from "./statement-handlers.ts";

/** Statements about the session itself, and those that run another one. */
export const sessionStatements = {
  TransactionStmt(facts, node) {
    const [verb, kind] = transactionWords[node.kind ?? "TRANS_STMT_BEGIN"];
    facts.verb(verb);
    facts.transactionVerbs.push(kind);
    noteTransactionModes(facts, node.options);
    // A prepared transaction outlives the session, and may be another's.
    if (kind === "prepare" || kind === "other") facts.raise(risk("write", "session_control"));
    return undefined;
  },

  VariableSetStmt(facts, node) {
    facts.verb(node.kind === "VAR_RESET" || node.kind === "VAR_RESET_ALL" ? "RESET" : "SET");
    noteSet(facts, node);
    return undefined;
  },
  VariableShowStmt: plain("SHOW", "read"),
  ConstraintsSetStmt: plain("SET CONSTRAINTS", "read"),

  DiscardStmt(facts, node) {
    facts.verb("DISCARD");
    if (node.target !== "DISCARD_ALL") return undefined;
    facts.deallocatesAll = true;
    resetsAll(facts);
    return undefined;
  },

  PrepareStmt(facts, node) {
    facts.verb("PREPARE");
    facts.prepares.add(node.name ?? "");
    return undefined;
  },
  ExecuteStmt(facts, node) {
    facts.verb("EXECUTE");
    // What that does is not in this text: the whole of it is unclassified, once it is known what else it says.
    facts.executes.add(node.name ?? "");
    return undefined;
  },
  DeallocateStmt(facts, node) {
    facts.verb("DEALLOCATE");
    if (node.name === undefined) facts.deallocatesAll = true;
    else facts.deallocated.add(node.name);
    return undefined;
  },

  ExplainStmt(facts, node) {
    facts.verbEvenIfPlanned("EXPLAIN");
    return isRunning(node.options) ? undefined : { planned: true };
  },
  DeclareCursorStmt: plain("DECLARE", "read"),
  FetchStmt(facts, node) {
    facts.verb(node.ismove === true ? "MOVE" : "FETCH");
    return undefined;
  },
  ClosePortalStmt: plain("CLOSE", "read"),

  ListenStmt: plain("LISTEN", "read"),
  UnlistenStmt: plain("UNLISTEN", "read"),
  NotifyStmt: plain("NOTIFY", "write"),

  DoStmt(facts) {
    facts.verb("DO");
    facts.unclassified("runs a block of code", "dynamic_code");
    return undefined;
  },
  CallStmt(facts, node) {
    facts.verb("CALL");
    const name = strings(node.funccall?.funcname).slice(-2).join(".");
    facts.calls(name, "unclassified");
    facts.unclassified(`calls ${name}, of which nothing is known`, "opaque_function");
    // The name is dealt with; its arguments may call others.
    return { replace: { funccall: node.funccall?.args } };
  },
} satisfies Partial<StatementHandlers>;

const transactionWords = {
  TRANS_STMT_BEGIN: ["BEGIN", "begin"],
  TRANS_STMT_START: ["BEGIN", "begin"],
  TRANS_STMT_COMMIT: ["COMMIT", "commit"],
  TRANS_STMT_ROLLBACK: ["ROLLBACK", "rollback"],
  TRANS_STMT_SAVEPOINT: ["SAVEPOINT", "savepoint"],
  TRANS_STMT_RELEASE: ["RELEASE", "release"],
  TRANS_STMT_ROLLBACK_TO: ["ROLLBACK TO", "rollback_to"],
  TRANS_STMT_PREPARE: ["PREPARE TRANSACTION", "prepare"],
  TRANS_STMT_COMMIT_PREPARED: ["COMMIT PREPARED", "other"],
  TRANS_STMT_ROLLBACK_PREPARED: ["ROLLBACK PREPARED", "other"],
} as const satisfies Record<string, readonly [string, TransactionVerb]>;

function noteSet(facts: FactsBuilder, { kind, name = "", args = [] }: VariableSetStmt): void {
  if (kind === "VAR_RESET_ALL") resetsAll(facts);
  if (kind === "VAR_SET_MULTI") noteTransactionModes(facts, args);
  // SET TRANSACTION and SET SESSION CHARACTERISTICS: isolation, read only, snapshot.
  if (kind === "VAR_RESET_ALL" || kind === "VAR_SET_MULTI") return;
  noteSetting(facts, name, kind === "VAR_SET_VALUE" ? (name.toLowerCase() === "search_path" ? listText(args) : soleText(args)) : undefined);
}

const soleText = (args: readonly Node[]): string | null => (args.length === 1 ? constantText(args[0]) : null);

/** Each constant is one name, whatever is in it: as the server writes such a list. */
function listText(args: readonly Node[]): string | null {
  const names = args.map(constantText).filter((name) => name !== null);
  return names.length === args.length ? names.map(quoteIdentifier).join(", ") : null;
}

function noteTransactionModes(facts: FactsBuilder, modes: readonly Node[] = []): void {
  for (const mode of modes) {
    if (!("DefElem" in mode) || mode.DefElem.defname !== "transaction_read_only") continue;
    const arg = mode.DefElem.arg;
    const isOn = arg !== undefined && "A_Const" in arg && arg.A_Const.ival?.ival === 1;
    if (!isOn) facts.leavesReadOnly = true;
  }
}

function resetsAll(facts: FactsBuilder): void {
  facts.changesSearchPath([]);
  facts.settings.add("*");
  facts.stated = { reason: null, ticket: null };
}

/** The value of a constant as the server reads it; null for anything else. */
export function constantText(node: Node | undefined): string | null {
  if (node === undefined || !("A_Const" in node)) return null;
  const { sval, ival, fval, boolval }: A_Const = node.A_Const;
  if (sval !== undefined) return sval.sval ?? "";
  if (ival !== undefined) return String(ival.ival ?? 0);
  if (fval !== undefined) return fval.fval ?? "0";
  return boolval === undefined ? null : String(boolval.boolval ?? false);
}

/** EXPLAIN runs its query when any ANALYZE option is not plainly off (the last one counts; one that is on is enough for us). */
export function isRunning(options: readonly Node[] | undefined): boolean {
  return (options ?? []).some((option) => "DefElem" in option && option.DefElem.defname?.toLowerCase() === "analyze" && !plainlyOff(option.DefElem));
}

function plainlyOff({ arg }: DefElem): boolean {
  if (arg === undefined) return false;
  if ("Integer" in arg) return (arg.Integer.ival ?? 0) === 0;
  if ("Boolean" in arg) return arg.Boolean.boolval !== true;
  return "String" in arg && ["off", "false"].includes((arg.String.sval ?? "").toLowerCase());
}
