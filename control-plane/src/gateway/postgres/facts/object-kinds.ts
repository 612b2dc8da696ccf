import type { ObjectType } from "@pgsql/types";

const spelt: Readonly<Partial<Record<ObjectType, string>>> = {
  OBJECT_FDW: "FOREIGN DATA WRAPPER",
  OBJECT_FOREIGN_SERVER: "SERVER",
  OBJECT_MATVIEW: "MATERIALIZED VIEW",
  OBJECT_OPCLASS: "OPERATOR CLASS",
  OBJECT_OPFAMILY: "OPERATOR FAMILY",
  OBJECT_STATISTIC_EXT: "STATISTICS",
  OBJECT_TSCONFIGURATION: "TEXT SEARCH CONFIGURATION",
  OBJECT_TSDICTIONARY: "TEXT SEARCH DICTIONARY",
  OBJECT_TSPARSER: "TEXT SEARCH PARSER",
  OBJECT_TSTEMPLATE: "TEXT SEARCH TEMPLATE",
  OBJECT_COLUMN: "TABLE",
  OBJECT_TABCONSTRAINT: "TABLE",
  OBJECT_ATTRIBUTE: "TYPE",
  OBJECT_DOMCONSTRAINT: "DOMAIN",
};

/** The words of a kind of object in SQL: `OBJECT_FOREIGN_TABLE` is `FOREIGN TABLE`. */
export const objectWords = (kind: ObjectType | undefined): string =>
  kind === undefined ? "OBJECT" : (spelt[kind] ?? kind.replace(/^OBJECT_/, "").replaceAll("_", " "));

/** Objects whose last name part is their own, and the rest names a relation. */
export const onTable: ReadonlySet<ObjectType> = new Set(["OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"]);

export const relations: ReadonlySet<ObjectType> = new Set([
  "OBJECT_TABLE",
  "OBJECT_VIEW",
  "OBJECT_MATVIEW",
  "OBJECT_INDEX",
  "OBJECT_SEQUENCE",
  "OBJECT_FOREIGN_TABLE",
]);

/** Changing one of these changes who may do what, or what the server is. */
export const administered: ReadonlySet<ObjectType> = new Set([
  "OBJECT_ACCESS_METHOD",
  "OBJECT_DATABASE",
  "OBJECT_EVENT_TRIGGER",
  "OBJECT_EXTENSION",
  "OBJECT_FDW",
  "OBJECT_FOREIGN_SERVER",
  "OBJECT_FOREIGN_TABLE",
  "OBJECT_LANGUAGE",
  "OBJECT_POLICY",
  "OBJECT_PUBLICATION",
  "OBJECT_ROLE",
  "OBJECT_SUBSCRIPTION",
  "OBJECT_TABLESPACE",
  "OBJECT_USER_MAPPING",
]);
