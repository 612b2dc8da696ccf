import { ANY_RELATION } from "../../../domain/facts.ts";
import { risk } from "./facts-builder.ts";
import { noteWritten, onRelation, plain, type StatementHandlers } from "./statement-handlers.ts";

/** Who may do what, what the server is, and what it talks to. */
export const administrationStatements = {
  CreateRoleStmt: plain("CREATE ROLE", "administrative", "role_change"),
  AlterRoleStmt: plain("ALTER ROLE", "administrative", "role_change"),
  AlterRoleSetStmt: plain("ALTER ROLE", "administrative", "role_change", "server_configuration"),
  DropRoleStmt: plain("DROP ROLE", "administrative", "role_change", "drop"),
  GrantRoleStmt(facts, node) {
    facts.verb(node.is_grant === true ? "GRANT" : "REVOKE");
    facts.raise(risk("administrative", "role_change", "privilege_change"));
    return undefined;
  },
  GrantStmt(facts, node) {
    facts.verb(node.is_grant === true ? "GRANT" : "REVOKE");
    facts.raise(risk("administrative", "privilege_change"));
    for (const object of node.objects ?? []) if ("RangeVar" in object) noteWritten(facts, object.RangeVar);
    return { skip: ["objects"] };
  },
  AlterDefaultPrivilegesStmt: plain("ALTER DEFAULT PRIVILEGES", "administrative", "privilege_change"),
  ReassignOwnedStmt: plain("REASSIGN OWNED", "administrative", "privilege_change"),
  DropOwnedStmt(facts) {
    facts.verb("DROP OWNED");
    facts.raise(risk("administrative", "privilege_change", "ddl", "drop"));
    // It names owners, and none of what is theirs.
    facts.writes(ANY_RELATION);
    return undefined;
  },
  CreatePolicyStmt: onRelation("table", "CREATE POLICY", "administrative", "ddl", "privilege_change"),
  AlterPolicyStmt: onRelation("table", "ALTER POLICY", "administrative", "ddl", "privilege_change"),
  SecLabelStmt: plain("SECURITY LABEL", "administrative", "privilege_change"),

  AlterSystemStmt: plain("ALTER SYSTEM", "administrative", "server_configuration"),
  AlterDatabaseSetStmt: plain("ALTER DATABASE", "administrative", "server_configuration"),
  AlterDatabaseStmt: plain("ALTER DATABASE", "administrative", "ddl", "server_configuration"),
  AlterDatabaseRefreshCollStmt: plain("ALTER DATABASE", "administrative", "ddl"),
  CreatedbStmt: plain("CREATE DATABASE", "administrative", "ddl"),
  DropdbStmt: plain("DROP DATABASE", "administrative", "ddl", "drop"),
  CreateTableSpaceStmt: plain("CREATE TABLESPACE", "administrative", "ddl", "server_configuration"),
  DropTableSpaceStmt: plain("DROP TABLESPACE", "administrative", "ddl", "drop"),
  AlterTableSpaceOptionsStmt: plain("ALTER TABLESPACE", "administrative", "ddl"),
  AlterTableMoveAllStmt: plain("ALTER TABLE ALL IN TABLESPACE", "administrative", "ddl"),
  CheckPointStmt: plain("CHECKPOINT", "administrative", "server_configuration"),
  LoadStmt: plain("LOAD", "administrative", "server_file", "dynamic_code"),
  CreateExtensionStmt: plain("CREATE EXTENSION", "administrative", "ddl", "dynamic_code"),
  AlterExtensionStmt: plain("ALTER EXTENSION", "administrative", "ddl", "dynamic_code"),
  AlterExtensionContentsStmt: plain("ALTER EXTENSION", "administrative", "ddl"),
  CreatePLangStmt: plain("CREATE LANGUAGE", "administrative", "ddl", "dynamic_code"),
  CreateAmStmt: plain("CREATE ACCESS METHOD", "administrative", "ddl"),
  CreateEventTrigStmt: plain("CREATE EVENT TRIGGER", "administrative", "ddl"),
  AlterEventTrigStmt: plain("ALTER EVENT TRIGGER", "administrative", "ddl"),

  CreateFdwStmt: plain("CREATE FOREIGN DATA WRAPPER", "administrative", "ddl", "foreign_access"),
  AlterFdwStmt: plain("ALTER FOREIGN DATA WRAPPER", "administrative", "ddl", "foreign_access"),
  CreateForeignServerStmt: plain("CREATE SERVER", "administrative", "ddl", "foreign_access"),
  AlterForeignServerStmt: plain("ALTER SERVER", "administrative", "ddl", "foreign_access"),
  CreateUserMappingStmt: plain("CREATE USER MAPPING", "administrative", "ddl", "foreign_access"),
  AlterUserMappingStmt: plain("ALTER USER MAPPING", "administrative", "ddl", "foreign_access"),
  DropUserMappingStmt: plain("DROP USER MAPPING", "administrative", "ddl", "drop", "foreign_access"),
  ImportForeignSchemaStmt: plain("IMPORT FOREIGN SCHEMA", "administrative", "ddl", "foreign_access"),
  CreateForeignTableStmt: plain("CREATE FOREIGN TABLE", "administrative", "ddl", "foreign_access"),

  CreatePublicationStmt: plain("CREATE PUBLICATION", "administrative", "ddl", "replication"),
  AlterPublicationStmt: plain("ALTER PUBLICATION", "administrative", "ddl", "replication"),
  CreateSubscriptionStmt: plain("CREATE SUBSCRIPTION", "administrative", "ddl", "replication", "foreign_access"),
  AlterSubscriptionStmt: plain("ALTER SUBSCRIPTION", "administrative", "ddl", "replication", "foreign_access"),
  DropSubscriptionStmt: plain("DROP SUBSCRIPTION", "administrative", "ddl", "drop", "replication"),
} satisfies Partial<StatementHandlers>;
