import type { ColumnRef, FuncCall, Node, RangeVar, SelectStmt } from "@pgsql/types";
import { strings } from "./names.ts";
import { isKnownSetting } from "./settings.ts";
import { constantText } from "./statements-session.ts";

/**
 * `SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'jit'` (pg_dump asks like that, for settings that a server may not
 * have): the name is computed, and still can only be what the WHERE says.
 *
 * Answers the settings that each such call in the target list may change. Only names of settings that PostgreSQL has: whoever could put
 * a relation or a comparison of their own in the place of these would still name one of them.
 */
export function pinnedSettings({ targetList = [], fromClause = [], whereClause }: SelectStmt): ReadonlyMap<FuncCall, readonly string[]> {
  const from = fromClause.length === 1 ? fromClause[0] : undefined;
  const table = from !== undefined && "RangeVar" in from ? aliasOf(from.RangeVar) : undefined;
  if (table === undefined) return new Map();
  const isName = (node: Node | undefined): boolean => node !== undefined && "ColumnRef" in node && namesColumn(node.ColumnRef, table);
  const calls = targetList.flatMap((target) => {
    const value = "ResTarget" in target ? target.ResTarget.val : undefined;
    return value !== undefined && "FuncCall" in value && isSetConfig(value.FuncCall) && isName(value.FuncCall.args?.[0]) ? [value.FuncCall] : [];
  });
  if (calls.length === 0) return new Map();
  for (const condition of conjuncts(whereClause)) {
    const settings = namedIn(condition, isName);
    if (settings?.every(isKnownSetting) === true) return new Map(calls.map((call) => [call, settings]));
  }
  return new Map();
}

const isSetConfig = ({ funcname }: FuncCall): boolean => {
  const [name, schema, ...more] = strings(funcname).toReversed();
  return name === "set_config" && (schema === undefined || schema === "pg_catalog") && more.length === 0;
};

/** The name by which columns of `pg_settings` go; undefined for any other relation, and where columns are given other names. */
function aliasOf({ catalogname, schemaname, relname, alias }: RangeVar): string | undefined {
  if (catalogname !== undefined || relname !== "pg_settings" || (schemaname !== undefined && schemaname !== "pg_catalog")) return undefined;
  return alias?.colnames === undefined ? (alias?.aliasname ?? relname) : undefined;
}

function namesColumn({ fields = [] }: ColumnRef, table: string): boolean {
  const names = strings(fields);
  return names.length === fields.length && names.at(-1) === "name" && (names.length === 1 || (names.length === 2 && names[0] === table));
}

/** What all must hold. */
function conjuncts(condition: Node | undefined): readonly Node[] {
  const found: Node[] = [];
  const rest = condition === undefined ? [] : [condition];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if ("BoolExpr" in next && next.BoolExpr.boolop === "AND_EXPR") rest.push(...(next.BoolExpr.args ?? []));
    else found.push(next);
  }
  return found;
}

/** `name = 'a'` and `name IN ('a', 'b')`: the constants. */
function namedIn(condition: Node, isName: (node: Node | undefined) => boolean): readonly string[] | undefined {
  if (!("A_Expr" in condition)) return undefined;
  const { kind, name, lexpr, rexpr } = condition.A_Expr;
  if ((kind !== "AEXPR_OP" && kind !== "AEXPR_IN") || strings(name).join(".") !== "=" || !isName(lexpr) || rexpr === undefined) return undefined;
  const constants = (kind === "AEXPR_IN" && "List" in rexpr ? (rexpr.List.items ?? []) : [rexpr]).map(constantText);
  const known = constants.filter((text) => text !== null);
  return known.length > 0 && known.length === constants.length ? known : undefined;
}
