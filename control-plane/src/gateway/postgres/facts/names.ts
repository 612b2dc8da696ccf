import type { Node, RangeVar } from "@pgsql/types";

/** A name as facts carry it: quoted only where a dot or a quote inside would make it read as another name. */
const part = (name: string): string => (/[."]/.test(name) ? quoteIdentifier(name) : name);

export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** `schema.name` or `name`; a database name before it can only be the current one. */
export function qualifiedName(parts: readonly string[]): string {
  return parts.slice(-2).map(part).join(".");
}

export function relationName(relation: RangeVar): string {
  const name = relation.relname ?? "";
  return qualifiedName(relation.schemaname === undefined ? [name] : [relation.schemaname, name]);
}

/** The strings of a list of String nodes, such as a function's or an operator's name. */
export function strings(nodes: readonly Node[] | undefined): string[] {
  return (nodes ?? []).flatMap((node) => ("String" in node ? [node.String.sval ?? ""] : []));
}

/** The strings of one node that names an object: a String, or a List of them. */
export function objectName(node: Node | undefined): string[] {
  if (node === undefined) return [];
  if ("String" in node) return strings([node]);
  return "List" in node ? strings(node.List.items) : [];
}
