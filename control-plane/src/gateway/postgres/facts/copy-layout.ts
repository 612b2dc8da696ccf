import type { CopyStmt, Node } from "@pgsql/types";
import type { CopyOutLayout } from "./analysis.ts";
import { constantText } from "./statements-session.ts";

/** Options that change which cells are quoted, or how rows come in, but not how a row is cut into cells. */
const harmless = new Set(["force_quote", "freeze", "force_null", "force_not_null", "on_error", "log_verbosity", "default", "reject_limit"]);

/** How a COPY spells its rows, with PostgreSQL's defaults; undefined for one with an option that is not known here, or a text encoding of its own. */
export function copyOutLayout({ options = [] }: CopyStmt): CopyOutLayout | undefined {
  const given = new Map<string, string>();
  for (const option of options) {
    if (!("DefElem" in option) || option.DefElem.defname === undefined) return undefined;
    const name = option.DefElem.defname.toLowerCase();
    if (harmless.has(name)) continue;
    const value = valueOf(option.DefElem.arg);
    if (value === undefined || given.has(name)) return undefined;
    given.set(name, value);
  }
  const format = given.get("format")?.toLowerCase() ?? "text";
  if (format !== "text" && format !== "csv" && format !== "binary") return undefined;
  const csv = format === "csv";
  const quote = given.get("quote") ?? '"';
  const known = new Set(["format", "delimiter", "quote", "escape", "null", "header"]);
  if ([...given.keys()].some((name) => !known.has(name))) return undefined;
  return {
    format,
    delimiter: given.get("delimiter") ?? (csv ? "," : "\t"),
    quote,
    escape: given.get("escape") ?? quote,
    nullText: given.get("null") ?? (csv ? "" : "\\N"),
    header: !["false", "off", "0", "absent"].includes(given.get("header")?.toLowerCase() ?? "false"),
  };
}

/** An option without a value is one that is on. */
function valueOf(node: Node | undefined): string | undefined {
  if (node === undefined) return "true";
  if ("String" in node) return node.String.sval ?? "";
  if ("Boolean" in node) return String(node.Boolean.boolval ?? false);
  if ("Integer" in node) return String(node.Integer.ival ?? 0);
  return constantText(node) ?? undefined;
}
