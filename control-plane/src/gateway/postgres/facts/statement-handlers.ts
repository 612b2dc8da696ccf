import type { DropBehavior, RangeVar } from "@pgsql/types";
import { ANY_RELATION, type Hazard, type RiskClass } from "../../../domain/facts.ts";
import { type FactsBuilder, risk } from "./facts-builder.ts";
import { relationName } from "./names.ts";
import { ANY_SCHEMA } from "./search-path.ts";
import type { Descent, NodeOf, NodeTag } from "./tree.ts";

/** Kinds of statement that the grammar knows. What the parser never makes of a text (analysed and PL/pgSQL nodes) is left out. */
export type StatementTag = Exclude<Extract<NodeTag, `${string}Stmt`>, "RawStmt" | "SetOperationStmt" | "PLAssignStmt" | "ReplicaIdentityStmt">;

/** One per kind of statement, so that a new version of the grammar does not compile until its new statements are judged. */
export type StatementHandlers = { readonly [Tag in StatementTag]: (facts: FactsBuilder, node: NodeOf<Tag>) => Descent | undefined };

/** A statement whose kind says all. */
export const plain =
  (verb: string, riskClass: RiskClass, ...hazards: readonly Hazard[]) =>
  (facts: FactsBuilder): undefined => {
    facts.verb(verb);
    facts.raise(risk(riskClass, ...hazards));
  };

/** The same, for one that changes the relation it names. */
export const onRelation =
  <Field extends string>(field: Field, verb: string, riskClass: RiskClass, ...hazards: readonly Hazard[]) =>
  (facts: FactsBuilder, node: { readonly [F in Field]?: RangeVar }): Descent => {
    facts.verb(verb);
    facts.raise(risk(riskClass, ...hazards));
    noteWritten(facts, node[field]);
    return { skip: [field] };
  };

/** It also reaches what depends on what it names, which the text does not tell. */
export function noteCascade(facts: FactsBuilder, behavior: DropBehavior | undefined): void {
  if (behavior === "DROP_CASCADE") facts.writes(ANY_RELATION);
}

const roleCatalogs = /^pg_(?:authid|auth_members|roles|user|shadow|group|db_role_setting)$/;

/** A catalogue written to by hand is administration; `UPDATE pg_settings` even is SET by another name. */
export function noteWritten(facts: FactsBuilder, relation: RangeVar | undefined): void {
  if (relation === undefined) return;
  facts.writes(relationName(relation));
  const { schemaname, relname = "", relpersistence } = relation;
  if (relpersistence === "t" || schemaname?.startsWith("pg_temp") === true) facts.makesTemporary = true;
  const system = schemaname === "pg_catalog" || schemaname === "information_schema" || (schemaname === undefined && relname.startsWith("pg_"));
  if (!system) return;
  facts.raise(risk("administrative", "server_configuration"));
  if (roleCatalogs.test(relname)) facts.raise(risk("administrative", "role_change"));
  if (relname === "pg_settings") {
    facts.changesSearchPath([ANY_SCHEMA]);
    if (!facts.planned) facts.unclassified("changes settings through pg_settings", "session_control");
  }
}
