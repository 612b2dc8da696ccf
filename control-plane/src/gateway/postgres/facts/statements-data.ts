import type { Node } from "@pgsql/types";
import { picksRows } from "./conditions.ts";
import { type FactsBuilder, risk } from "./facts-builder.ts";
import { relationName } from "./names.ts";
import { noteCascade, noteWritten, type StatementHandlers } from "./statement-handlers.ts";

/** Statements that read and change rows. */
export const dataStatements = {
  SelectStmt(facts, node) {
    if (node.valuesLists !== undefined) facts.verb("VALUES");
    else facts.verb(node.intoClause === undefined ? "SELECT" : "SELECT INTO");
    if (node.intoClause !== undefined) facts.raise(risk("destructive", "ddl"));
    // PostgreSQL refuses row locks in a read-only transaction, and asks for the privilege to update.
    if (node.lockingClause !== undefined) facts.raise(risk("write"));
    return undefined;
  },

  InsertStmt(facts, node) {
    facts.verb("INSERT");
    facts.raise(risk("write"));
    noteWritten(facts, node.relation);
    const upsert = node.onConflictClause?.action === "ONCONFLICT_UPDATE";
    if (upsert) facts.verb("UPDATE");
    if ((upsert || node.returningClause !== undefined) && node.relation !== undefined) facts.reads(relationName(node.relation));
    // The rows of INSERT … VALUES are not a query of their own.
    const rows = node.selectStmt;
    if (rows === undefined || !("SelectStmt" in rows) || rows.SelectStmt.valuesLists === undefined) return { skip: ["relation"] };
    return { skip: ["relation"], replace: { selectStmt: rows.SelectStmt } };
  },

  UpdateStmt(facts, node) {
    facts.verb("UPDATE");
    facts.raise(picksRows(node.whereClause) ? risk("write") : risk("destructive", "update_without_where"));
    noteChanged(facts, node);
    return { skip: ["relation"] };
  },

  DeleteStmt(facts, node) {
    facts.verb("DELETE");
    facts.raise(picksRows(node.whereClause) ? risk("write") : risk("destructive", "delete_without_where"));
    noteChanged(facts, node);
    return { skip: ["relation"] };
  },

  MergeStmt(facts, node) {
    facts.verb("MERGE");
    facts.raise(risk("write"));
    noteWritten(facts, node.relation);
    if (node.relation !== undefined) facts.reads(relationName(node.relation));
    const joined = picksRows(node.joinCondition);
    for (const clause of node.mergeWhenClauses ?? []) {
      if (!("MergeWhenClause" in clause)) continue;
      const { commandType, condition, matchKind } = clause.MergeWhenClause;
      // A row is picked by the join or by the clause's own condition; NOT MATCHED BY SOURCE takes what the join left over.
      const bounded = picksRows(condition) || (joined && matchKind !== "MERGE_WHEN_NOT_MATCHED_BY_SOURCE");
      if (commandType === "CMD_INSERT") facts.verb("INSERT");
      if (commandType === "CMD_UPDATE") facts.verb("UPDATE");
      if (commandType === "CMD_DELETE") facts.verb("DELETE");
      if (commandType === "CMD_UPDATE" && !bounded) facts.raise(risk("destructive", "update_without_where"));
      if (commandType === "CMD_DELETE" && !bounded) facts.raise(risk("destructive", "delete_without_where"));
    }
    return { skip: ["relation"] };
  },

  CopyStmt(facts, node) {
    facts.verb("COPY");
    if (node.is_program === true) facts.raise(risk("administrative", "copy_program", "server_file"));
    else if (node.filename !== undefined) facts.raise(risk("administrative", "server_file"));
    if (node.is_from !== true) return undefined;
    facts.raise(risk("write"));
    noteWritten(facts, node.relation);
    return { skip: ["relation"] };
  },

  TruncateStmt(facts, node) {
    facts.verb("TRUNCATE");
    facts.raise(risk("destructive", "truncate"));
    for (const relation of node.relations ?? []) if ("RangeVar" in relation) noteWritten(facts, relation.RangeVar);
    noteCascade(facts, node.behavior);
    return { skip: ["relations"] };
  },

  LockStmt(facts, node) {
    facts.verb("LOCK");
    // ACCESS SHARE and ROW SHARE are what a SELECT takes; from ROW EXCLUSIVE on, others are kept waiting.
    if ((node.mode ?? 8) > 2) facts.raise(risk("write", "session_control"));
    return undefined;
  },
} satisfies Partial<StatementHandlers>;

function noteChanged(facts: FactsBuilder, node: { relation?: Parameters<typeof relationName>[0]; whereClause?: Node; returningClause?: object }): void {
  noteWritten(facts, node.relation);
  const looked = node.whereClause !== undefined || node.returningClause !== undefined;
  if (looked && node.relation !== undefined) facts.reads(relationName(node.relation));
}
