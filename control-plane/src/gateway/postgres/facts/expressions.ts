import type { ColumnRef, FuncCall, Node, RangeFunction, SelectStmt } from "@pgsql/types";
import { dependsOnRow } from "./conditions.ts";
import type { FactsBuilder } from "./facts-builder.ts";
import { noteColumn, noteField, noteFunction, noteOperator } from "./functions.ts";
import { relationName, strings } from "./names.ts";
import { pinnedSettings } from "./pinned-settings.ts";
import { ANY_SCHEMA } from "./search-path.ts";
import { noteSetting } from "./settings.ts";
import { constantText } from "./statements-session.ts";
import { noteWritten } from "./statement-handlers.ts";
import { type Context, type Descent, inScope, type NodeOf, type NodeTag } from "./tree.ts";

/** What stands inside statements: relations, functions, operators, and fields that may be functions. */
export class Expressions {
  readonly #facts: FactsBuilder;
  readonly #alsoHarmless: ReadonlySet<string>;
  /** Aliases that stand for what one function returns, and the columns that the text itself gives to such. */
  readonly #functionAliases = new Set<string>();
  readonly #givenColumns = new Set<string>();
  /** What calls of `set_config` with a computed name may change. */
  readonly #pinned = new Map<FuncCall, readonly string[]>();
  readonly #columns = new Map<string, readonly [alias: string, column: string]>();

  readonly #handlers: { readonly [Tag in NodeTag]?: (node: NodeOf<Tag>, context: Context) => Descent | undefined } = {
    RangeVar: (node, { ctes }) => {
      const name = node.relname ?? "";
      if (node.schemaname !== undefined || !inScope(ctes, name)) this.#facts.reads(relationName(node));
      return undefined;
    },
    // FOR UPDATE OF names aliases, not relations.
    LockingClause: () => ({ skip: ["lockedRels"] }),
    IntoClause: (node) => {
      noteWritten(this.#facts, node.rel);
      return { skip: ["rel"] };
    },
    FuncCall: (node) => {
      this.#call(node);
      return undefined;
    },
    RangeTableSample: (node) => {
      noteFunction(this.#facts, strings(node.method), this.#alsoHarmless);
      return undefined;
    },
    RangeFunction: (node) => {
      this.#noteAlias(node);
      return undefined;
    },
    A_Expr: (node) => {
      const { kind } = node;
      if (kind === "AEXPR_OP" || kind === "AEXPR_OP_ANY" || kind === "AEXPR_OP_ALL") this.#operator(node.name);
      return undefined;
    },
    SubLink: (node) => {
      if (node.operName !== undefined) this.#operator(node.operName);
      return undefined;
    },
    SortBy: (node) => {
      if (node.useOp !== undefined) this.#operator(node.useOp);
      return undefined;
    },
    A_Indirection: (node) => {
      for (const field of strings(node.indirection)) {
        this.#facts.fields.add(field);
        noteField(this.#facts, field, this.#alsoHarmless);
      }
      return undefined;
    },
    ColumnRef: (node) => {
      this.#column(node);
      return undefined;
    },
  };

  constructor(facts: FactsBuilder, alsoHarmless: ReadonlySet<string>) {
    this.#facts = facts;
    this.#alsoHarmless = alsoHarmless;
  }

  visit(tag: string, node: object, context: Context): Descent | undefined {
    const handler = this.#handlers[tag as NodeTag] as ((node: object, context: Context) => Descent | undefined) | undefined;
    return handler?.(node, context);
  }

  /** Before what is in it. */
  enter(select: SelectStmt): void {
    for (const [call, settings] of pinnedSettings(select)) this.#pinned.set(call, settings);
  }

  /** Once all aliases are known. */
  finish(): void {
    for (const [alias, column] of this.#columns.values()) {
      this.#facts.fields.add(column);
      noteColumn(this.#facts, column);
      if (this.#functionAliases.has(alias) && column !== alias && !this.#givenColumns.has(column)) noteField(this.#facts, column, this.#alsoHarmless);
    }
  }

  #call(node: FuncCall): void {
    const parts = strings(node.funcname);
    noteFunction(this.#facts, parts, this.#alsoHarmless);
    if (parts.at(-1) !== "set_config") return;
    const [name, given] = argumentsOf(node, "setting_name", "new_value");
    if (given !== undefined && dependsOnRow(given)) this.#facts.unclassified("puts what it reads into a setting", "session_control");
    const setting = constantText(name);
    const settings = setting === null ? this.#pinned.get(node) : [setting];
    for (const each of settings ?? []) this.#facts.calls("set_config", noteSetting(this.#facts, each, constantText(given)));
    if (settings !== undefined) return;
    this.#facts.changesSearchPath([ANY_SCHEMA]);
    this.#facts.settings.add("*");
    this.#facts.calls("set_config", "unclassified");
    this.#facts.unclassified("sets a setting whose name is computed", "session_control");
  }

  #operator(name: readonly Node[] | undefined): void {
    noteOperator(this.#facts, strings(name), this.#alsoHarmless);
  }

  #noteAlias({ alias, coldeflist = [], functions = [] }: RangeFunction): void {
    for (const name of strings(alias?.colnames)) this.#givenColumns.add(name);
    for (const column of coldeflist) if ("ColumnDef" in column) this.#givenColumns.add(column.ColumnDef.colname ?? "");
    if (alias?.aliasname !== undefined) this.#functionAliases.add(alias.aliasname);
    // Without an alias the function's own name is one.
    for (const item of functions) {
      const call = "List" in item ? item.List.items?.[0] : undefined;
      if (call !== undefined && "FuncCall" in call) this.#functionAliases.add(strings(call.FuncCall.funcname).at(-1) ?? "");
    }
  }

  #column({ fields = [] }: ColumnRef): void {
    const names = strings(fields);
    const column = names.at(-1);
    const alias = names.at(-2);
    if (column !== undefined && alias !== undefined) this.#columns.set(JSON.stringify([alias, column]), [alias, column]);
  }
}

/** The nodes given for two parameters, by position or by name. */
function argumentsOf({ args = [] }: FuncCall, first: string, second: string): (Node | undefined)[] {
  return [first, second].map((name, position) => {
    const named = args.find((arg) => "NamedArgExpr" in arg && arg.NamedArgExpr.name === name);
    if (named !== undefined && "NamedArgExpr" in named) return named.NamedArgExpr.arg;
    const given = args[position];
    return given !== undefined && "NamedArgExpr" in given ? undefined : given;
  });
}
