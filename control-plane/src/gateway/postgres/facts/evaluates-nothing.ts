import type { AlterTableStmt, IndexStmt, Node } from "@pgsql/types";
import type { StatementTag } from "./statement-handlers.ts";

/**
 * Whether a statement evaluates no expression, by its kind alone, so that errors of the target can name only what stands in its text or in
 * the catalogue. What it stores for later (a default, a view, a function, a policy) is not evaluated by it. Code that it sets off (triggers,
 * event triggers) is the agent's to notice. A kind that is not here may evaluate anything: `alter table t alter c type regclass` does,
 * and ANALYZE what statistics and indexes are made of.
 */
const nothingEvaluated: ReadonlySet<string> = new Set<StatementTag>([
  "AlterEnumStmt",
  "AlterObjectSchemaStmt",
  "AlterOwnerStmt",
  "AlterRoleSetStmt",
  "AlterRoleStmt",
  "AlterSeqStmt",
  "CheckPointStmt",
  "ClosePortalStmt",
  "CommentStmt",
  "CompositeTypeStmt",
  "ConstraintsSetStmt",
  "CreateDomainStmt",
  "CreateEnumStmt",
  "CreateFunctionStmt",
  "CreatePolicyStmt",
  "CreateRoleStmt",
  "CreateSeqStmt",
  "CreateTrigStmt",
  "DeallocateStmt",
  "DiscardStmt",
  "DropRoleStmt",
  "DropStmt",
  "GrantRoleStmt",
  "GrantStmt",
  "ListenStmt",
  "LockStmt",
  "NotifyStmt",
  "PrepareStmt",
  "RenameStmt",
  "RuleStmt",
  "TransactionStmt",
  "TruncateStmt",
  "UnlistenStmt",
  "VariableSetStmt",
  "VariableShowStmt",
  "ViewStmt",
]);

export function evaluatesNothing(statement: Node): boolean {
  if ("AlterTableStmt" in statement) return onlyDrops(statement.AlterTableStmt);
  if ("IndexStmt" in statement) return ofColumns(statement.IndexStmt);
  // Bounds of a partition are evaluated, and so is what CREATE SCHEMA holds.
  if ("CreateStmt" in statement) return statement.CreateStmt.partbound === undefined;
  if ("CreateSchemaStmt" in statement) return (statement.CreateSchemaStmt.schemaElts ?? []).length === 0;
  return nothingEvaluated.has(Object.keys(statement)[0] ?? "");
}

const drops: ReadonlySet<string | undefined> = new Set(["AT_DropColumn", "AT_DropConstraint", "AT_DropNotNull"]);

const onlyDrops = ({ cmds = [] }: AlterTableStmt): boolean => cmds.every((each) => "AlterTableCmd" in each && drops.has(each.AlterTableCmd.subtype));

const ofColumns = ({ indexParams = [], whereClause }: IndexStmt): boolean =>
  whereClause === undefined && indexParams.every((each) => "IndexElem" in each && each.IndexElem.name !== undefined);
