import type { Node, ObjectType, RangeVar } from "@pgsql/types";
import { ANY_RELATION } from "../../../domain/facts.ts";
import { type FactsBuilder, risk } from "./facts-builder.ts";
import { objectName, strings } from "./names.ts";
import { administered, objectWords, onTable, relations } from "./object-kinds.ts";
import { noteCascade, noteWritten, onRelation, plain, type StatementHandlers } from "./statement-handlers.ts";
import type { Descent } from "./tree.ts";

/** CREATE, ALTER and DROP of what a database holds. Roles, servers and replication are in statements-administration.ts. */
export const definitionStatements = {
  CreateStmt: onRelation("relation", "CREATE TABLE", "destructive", "ddl"),
  CreateTableAsStmt(facts, node) {
    facts.verb(node.objtype === "OBJECT_MATVIEW" ? "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS");
    facts.raise(risk("destructive", "ddl"));
    return undefined;
  },
  IndexStmt: onRelation("relation", "CREATE INDEX", "destructive", "ddl"),
  ViewStmt: onRelation("view", "CREATE VIEW", "destructive", "ddl"),
  CreateSeqStmt: onRelation("sequence", "CREATE SEQUENCE", "destructive", "ddl"),
  AlterSeqStmt: onRelation("sequence", "ALTER SEQUENCE", "destructive", "ddl"),
  RuleStmt: onRelation("relation", "CREATE RULE", "destructive", "ddl"),
  CreateTrigStmt: onRelation("relation", "CREATE TRIGGER", "destructive", "ddl"),
  CompositeTypeStmt: plain("CREATE TYPE", "destructive", "ddl"),
  CreateEnumStmt: plain("CREATE TYPE", "destructive", "ddl"),
  CreateRangeStmt: plain("CREATE TYPE", "destructive", "ddl"),
  AlterEnumStmt: plain("ALTER TYPE", "destructive", "ddl"),
  AlterTypeStmt: plain("ALTER TYPE", "destructive", "ddl"),
  CreateDomainStmt: plain("CREATE DOMAIN", "destructive", "ddl"),
  AlterDomainStmt: plain("ALTER DOMAIN", "destructive", "ddl"),
  CreateSchemaStmt: plain("CREATE SCHEMA", "destructive", "ddl"),
  CreateStatsStmt: plain("CREATE STATISTICS", "destructive", "ddl"),
  AlterStatsStmt: plain("ALTER STATISTICS", "destructive", "ddl"),
  CreateOpClassStmt: plain("CREATE OPERATOR CLASS", "destructive", "ddl"),
  CreateOpFamilyStmt: plain("CREATE OPERATOR FAMILY", "destructive", "ddl"),
  AlterOpFamilyStmt: plain("ALTER OPERATOR FAMILY", "destructive", "ddl"),
  AlterOperatorStmt: plain("ALTER OPERATOR", "destructive", "ddl"),
  AlterCollationStmt: plain("ALTER COLLATION", "destructive", "ddl"),
  CreateConversionStmt: plain("CREATE CONVERSION", "destructive", "ddl"),
  CreateCastStmt: plain("CREATE CAST", "destructive", "ddl"),
  CreateTransformStmt: plain("CREATE TRANSFORM", "destructive", "ddl"),
  AlterTSDictionaryStmt: plain("ALTER TEXT SEARCH DICTIONARY", "destructive", "ddl"),
  AlterTSConfigurationStmt: plain("ALTER TEXT SEARCH CONFIGURATION", "destructive", "ddl"),
  CommentStmt: plain("COMMENT", "destructive", "ddl"),
  RefreshMatViewStmt: onRelation("relation", "REFRESH MATERIALIZED VIEW", "write"),
  ClusterStmt: onRelation("relation", "CLUSTER", "destructive", "ddl"),
  // Only ever met inside CREATE FUNCTION.
  ReturnStmt: () => undefined,

  DefineStmt(facts, node) {
    facts.verb(`CREATE ${objectWords(node.kind)}`);
    facts.raise(risk("destructive", "ddl"));
    return undefined;
  },

  VacuumStmt(facts, node) {
    facts.verb(node.is_vacuumcmd === true ? "VACUUM" : "ANALYZE");
    // VACUUM FULL rewrites the table behind an exclusive lock.
    const full = (node.options ?? []).some((option) => "DefElem" in option && option.DefElem.defname === "full");
    facts.raise(full ? risk("destructive", "ddl") : risk("write"));
    return undefined;
  },

  ReindexStmt(facts, node) {
    facts.verb("REINDEX");
    const wide = node.kind === "REINDEX_OBJECT_SYSTEM" || node.kind === "REINDEX_OBJECT_DATABASE";
    facts.raise(wide ? risk("administrative", "ddl", "server_configuration") : risk("destructive", "ddl"));
    noteWritten(facts, node.relation);
    return { skip: ["relation"] };
  },

  AlterTableStmt(facts, node) {
    alter(facts, node.objtype);
    noteWritten(facts, node.relation);
    for (const cmd of node.cmds ?? []) {
      const { subtype = "", behavior } = "AlterTableCmd" in cmd ? cmd.AlterTableCmd : {};
      noteCascade(facts, behavior);
      if (/^AT_Drop(?:Column|Constraint|Expression|Identity)/.test(subtype)) facts.raise(risk("destructive", "drop"));
      if (/RowSecurity$|ChangeOwner$/.test(subtype)) facts.raise(risk("administrative", "privilege_change"));
      if (subtype.endsWith("GenericOptions")) facts.raise(risk("administrative", "foreign_access"));
    }
    return { skip: ["relation"] };
  },

  DropStmt(facts, node) {
    const kind = node.removeType;
    facts.verb(`DROP ${objectWords(kind)}`);
    facts.raise(risk("destructive", "ddl", "drop"));
    noteCascade(facts, node.behavior);
    if (kind === undefined) return undefined;
    // What belongs to it goes with it, cascade or not.
    if (kind === "OBJECT_EXTENSION") facts.writes(ANY_RELATION);
    if (administered.has(kind)) facts.raise(risk("administrative"));
    if (kind === "OBJECT_POLICY") facts.raise(risk("administrative", "privilege_change"));
    for (const object of node.objects ?? []) {
      const name = objectName(object);
      noteNamed(facts, relations.has(kind) ? name : onTable.has(kind) ? name.slice(0, -1) : []);
    }
    return undefined;
  },

  RenameStmt(facts, node) {
    alter(facts, node.renameType);
    noteCascade(facts, node.behavior);
    if (node.renameType === "OBJECT_ROLE") facts.raise(risk("administrative", "role_change"));
    return written(facts, node);
  },
  AlterObjectDependsStmt(facts, node) {
    alter(facts, node.objectType);
    return written(facts, node);
  },
  AlterObjectSchemaStmt(facts, node) {
    alter(facts, node.objectType);
    return written(facts, node);
  },
  AlterOwnerStmt(facts, node) {
    alter(facts, node.objectType);
    facts.raise(risk("administrative", "privilege_change"));
    return written(facts, node);
  },

  CreateFunctionStmt(facts, node) {
    facts.verb(node.is_procedure === true ? "CREATE PROCEDURE" : "CREATE FUNCTION");
    facts.raise(risk("destructive", "ddl"));
    noteFunctionOptions(facts, node.options);
    return undefined;
  },
  AlterFunctionStmt(facts, node) {
    alter(facts, node.objtype);
    noteFunctionOptions(facts, node.actions);
    return undefined;
  },
} satisfies Partial<StatementHandlers>;

function alter(facts: FactsBuilder, kind: ObjectType | undefined): void {
  facts.verb(`ALTER ${objectWords(kind)}`);
  facts.raise(risk(kind !== undefined && administered.has(kind) ? "administrative" : "destructive", "ddl"));
  if (kind === "OBJECT_POLICY") facts.raise(risk("administrative", "privilege_change"));
}

function written(facts: FactsBuilder, node: { readonly relation?: RangeVar }): Descent {
  noteWritten(facts, node.relation);
  return { skip: ["relation"] };
}

/** A relation that DROP names by its parts. */
function noteNamed(facts: FactsBuilder, parts: readonly string[]): void {
  const relname = parts.at(-1);
  const schemaname = parts.at(-2);
  if (relname !== undefined) noteWritten(facts, schemaname === undefined ? { relname } : { relname, schemaname });
}

/** A function with the rights of its owner, or in a language that reaches outside the database, is more than DDL. */
function noteFunctionOptions(facts: FactsBuilder, options: readonly Node[] | undefined): void {
  for (const option of options ?? []) {
    if (!("DefElem" in option)) continue;
    const { defname, arg } = option.DefElem;
    if (defname === "security" && arg !== undefined && "Boolean" in arg && arg.Boolean.boolval === true)
      facts.raise(risk("administrative", "privilege_change"));
    const language = defname === "language" && arg !== undefined ? (strings([arg])[0]?.toLowerCase() ?? "") : "sql";
    if (!["sql", "plpgsql"].includes(language)) facts.raise(risk("administrative", "dynamic_code"));
    if (language === "c" || language === "internal") facts.raise(risk("administrative", "server_file"));
  }
}
