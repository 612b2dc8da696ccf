import type { A_Expr, FuncCall, JsonFormat, Node, SubLink } from "@pgsql/types";
import { strings } from "../names.ts";
import { constantText } from "../statements-session.ts";
import type { NodeOf, NodeTag } from "../tree.ts";
import { areSingle, comparesRows, isSingle, tellsByComparing, testsRow } from "./comparisons.ts";
import { joinsText } from "./concatenation.ts";
import { grows, growsTooFar } from "./growth.ts";
import { tellsByArrow } from "./json-arrows.ts";
import { entriesNamed, resolve } from "./references.ts";
import { type Scope, wholeItems, wholeRow } from "./scope.ts";
import { isConstant, isSound, keysOf } from "./sound-calls.ts";
import { isSteady } from "./steady.ts";
import { isTellingTag, tellsByPattern } from "./total.ts";
import type { Tracer } from "./tracer.ts";
import { anything, computed, sourceKey, union, type Value } from "./values.ts";

/**
 * What an expression is made of: every column that stands anywhere in it, whatever is done with it there. As "values", also what
 * decides what its subqueries find; "conditions": that was noted as they were traced.
 */
export function valueOf(tracer: Tracer, root: unknown, scope: Scope, as: "values" | "conditions" = "values"): Value {
  if (isReference(root)) return columnRef(tracer, root.ColumnRef.fields, scope);
  const found: Value[] = [];
  const place: Place = { tracer, scope, root, found, as, telling: false, grows: false, holdsMade: false };
  const stack: unknown[] = [root];
  while (stack.length > 0) {
    const value = stack.pop();
    tracer.spend(1);
    if (typeof value !== "object" || value === null) continue;
    for (const [key, inner] of Object.entries(value) as [string, unknown][]) {
      if (typeof inner !== "object") continue;
      const part = handlers.get(key);
      place.telling ||= part === undefined && isTellingTag(key);
      if (part === undefined) stack.push(inner);
      else for (const next of part(place, inner as never)) stack.push(next);
    }
  }
  place.telling ||= place.grows && place.holdsMade;
  const gathered = computed(union(found));
  const value = gathered.sources.size > 0 ? { ...gathered, made: true } : gathered;
  // Conditions are noted by whoever has them traced; and what may be made of anything is masked, not looked into.
  if (place.telling && as === "values") tracer.filter({ ...value, opaque: false });
  return value;
}

const isReference = (node: unknown): node is NodeWith<"ColumnRef"> => typeof node === "object" && node !== null && "ColumnRef" in node;
type NodeWith<Tag extends NodeTag> = Readonly<Record<Tag, NodeOf<Tag>>>;

interface Place {
  readonly tracer: Tracer;
  readonly scope: Scope;
  readonly root: unknown;
  readonly found: Value[];
  readonly as: "values" | "conditions";
  /** Something was met that fails on some values, or makes rows of them: that tells what they are. */
  telling: boolean;
  /** Some of it may be wider than what it is given, and what it is given may have been made so before. */
  grows: boolean;
  holdsMade: boolean;
}

const patternKinds: ReadonlySet<A_Expr["kind"]> = new Set(["AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_SIMILAR"]);

/** Types that take the text of any value. */
const texts: ReadonlySet<string> = new Set(["text", "varchar", "bpchar", "name"]);

/** Answers what is left to look at. */
type Handler = (place: Place, node: never) => readonly unknown[];

const byTag: { readonly [Tag in NodeTag]?: (place: Place, node: NodeOf<Tag>) => readonly unknown[] } & {
  readonly over?: (place: Place, node: NonNullable<FuncCall["over"]>) => readonly unknown[];
  readonly format?: (place: Place, node: JsonFormat) => readonly unknown[];
  readonly output?: (place: Place) => readonly unknown[];
} = {
  A_Const: () => [],
  TypeName: () => [],
  // Tells which columns a row is grouped by, and nothing of them.
  GroupingFunc: () => [],
  ColumnRef: (place, { fields }) => {
    const value = columnRef(place.tracer, fields, place.scope);
    place.holdsMade ||= value.made === true;
    place.found.push(value);
    return [];
  },
  FuncCall: (place, call) => {
    const { tracer, scope, found, as } = place;
    const name = strings(call.funcname);
    const { transparent, keeps, total } = tracer.traitsOf(name, "function");
    place.telling ||= (!total && !isSound(name, call, isWholeOfColumn(place, call))) || comparesRows(call, (node) => isPlain(place, node));
    place.grows ||= grows({ FuncCall: call });
    place.telling ||= growsTooFar(call, (node) => isReference(node) && columnRef(tracer, node.ColumnRef.fields, scope).made === true);
    const keys = keysOf(name, call);
    if (keys.length > 0) picking(tracer, keys, scope);
    if (!transparent || (as === "values" && name.at(-1) === "current_setting" && readsVariable(tracer, call, scope))) found.push(anything);
    const { agg_filter, agg_order, over } = call;
    if (agg_filter !== undefined || agg_order !== undefined || over !== undefined) found.push(picking(tracer, [agg_filter, agg_order, { over }], scope));
    if (!keeps) return [call.args];
    const given = tracer.nested(() => valueOf(tracer, call.args, scope));
    tracer.copied.add(given);
    found.push(given);
    return [];
  },
  // Also reached without a tag of its own, in the field that holds it.
  over: ({ scope }, { name, refname, partitionClause, orderClause, startOffset, endOffset }) => [
    ...(name === undefined && refname === undefined ? [] : scope.windows),
    partitionClause,
    orderClause,
    startOffset,
    endOffset,
  ],
  CaseExpr: ({ tracer, scope, found }, { arg, args = [], defresult }) => {
    found.push(picking(tracer, [arg, ...args.map((when) => ("CaseWhen" in when ? when.CaseWhen.expr : when))], scope));
    return [...args.map((when) => ("CaseWhen" in when ? when.CaseWhen.result : undefined)), defresult];
  },
  BoolExpr: (place, { args = [] }) => inTurn(place, args),
  CoalesceExpr: (place, { args = [] }) => inTurn(place, args),
  A_Expr: (place, expression) => {
    place.grows ||= grows({ A_Expr: expression });
    const { kind, name, lexpr, rexpr } = expression;
    if (kind === "AEXPR_OP" || kind === "AEXPR_OP_ANY" || kind === "AEXPR_OP_ALL") {
      const { transparent, total } = place.tracer.traitsOf(strings(name), "operator");
      if (!transparent) place.found.push(anything);
      place.telling ||= !total || (kind === "AEXPR_OP" && strings(name).at(-1) === "||" && !joinsText(expression, (node) => isPlain(place, node)));
    }
    place.telling ||= tellsByArrow(expression, (node) => isPlain(place, node)) || tellsByComparing(expression, (node) => isPlain(place, node));
    // What is NULL shows.
    const fails = kind === "AEXPR_NULLIF" || tellsByPattern(expression);
    place.telling ||= fails;
    // A pattern that is written out may be the argument of a function.
    return !fails && patternKinds.has(kind) ? [lexpr] : [lexpr, rexpr];
  },
  TypeCast: (place, { arg, typeName }) => {
    // Read once, before there is a value.
    if (arg !== undefined && "A_Const" in arg) return [];
    const [type, schema = "pg_catalog"] = strings(typeName?.names).toReversed();
    place.telling ||= !texts.has(type ?? "") || schema !== "pg_catalog" || (typeName?.arrayBounds ?? []).length > 0;
    return [arg];
  },
  // `(value).name` may be a call of `name`.
  A_Indirection: (place, { arg, indirection = [] }) => {
    for (const field of strings(indirection)) place.telling ||= !place.tracer.traitsOf([field], "function").total;
    return [arg, indirection];
  },
  // Nothing, or a part of an array that may not fit another.
  A_Indices: (place, { is_slice, lidx, uidx }) => {
    place.telling ||= is_slice === true;
    return [lidx, uidx];
  },
  // Arrays inside must be of the same size.
  A_ArrayExpr: (place, { elements = [] }) => {
    place.grows = true;
    place.telling ||= elements.some((element) => "A_ArrayExpr" in element);
    return elements;
  },
  RowExpr: (place, { args = [] }) => {
    place.grows = true;
    return args;
  },
  JsonArrayConstructor: (place, { exprs = [], output }) => {
    place.grows = true;
    return [exprs, { output }];
  },
  XmlExpr: (place, { op, named_args, args }) => {
    place.grows = true;
    place.telling ||= op !== "IS_XMLELEMENT" && op !== "IS_XMLFOREST" && op !== "IS_XMLCONCAT";
    return [named_args, args];
  },
  // Text is read as JSON where it says FORMAT JSON, and bytes or another type are made where it says RETURNING.
  format: (place, { format_type }) => {
    place.telling ||= format_type !== "JS_FORMAT_DEFAULT";
    return [];
  },
  output: (place) => {
    place.telling = true;
    return [];
  },
  // GREATEST and LEAST.
  MinMaxExpr: (place, { args = [] }) => {
    place.telling ||= !areSingle(args, (node) => isPlain(place, node));
    return args;
  },
  // `ROW(a, b) IS NULL` looks at one after the other.
  NullTest: (place, { arg }) => {
    place.telling ||= !isSingle(arg, (node) => isPlain(place, node)) && !isStoredRow(place, arg);
    return [arg];
  },
  SubLink: (place, link) => {
    place.telling ||= testsRow(link, (node) => isPlain(place, node));
    return [link.testexpr, ...subquery(place, link)];
  },
  SelectStmt: ({ tracer, scope, found }, select) => {
    found.push(wholeItems(tracer.query({ SelectStmt: select }, scope).items));
    return [];
  },
};

/** Not looked up in the object: JSON_ARRAYAGG has a field named `constructor`. */
const handlers = new Map<string, Handler>(Object.entries(byTag) as [string, Handler][]);

/** Whether each but the first is evaluated depends on those before it. */
function inTurn(place: Place, [first, ...others]: readonly Node[]): readonly unknown[] {
  place.telling ||= !others.every((operand) => isSteady(operand, (node) => isPlain(place, node)));
  return [first, ...others];
}

/** The row of a table. */
const isStoredRow = ({ scope }: Place, node: Node | undefined): boolean => {
  const [name, ...more] = isReference(node) ? strings(node.ColumnRef.fields) : [];
  const entries = name === undefined || more.length > 0 ? [] : entriesNamed(name, scope);
  return entries.length > 0 && entries.every(({ kind }) => kind === "table");
};

/** A mere column of a table. */
const isPlain = ({ tracer, scope }: Place, node: Node): boolean => isReference(node) && columnRef(tracer, node.ColumnRef.fields, scope).plain;

/** Of mere columns and constants, perhaps through calls that fail on no value. */
function isWholeOfColumn(place: Place, call: FuncCall): boolean {
  const { root, tracer } = place;
  if (typeof root !== "object" || root === null || !("FuncCall" in root) || root.FuncCall !== call) return false;
  const isHarmless = (node: Node): boolean => isConstant(node) || isPlain(place, node) || "SQLValueFunction" in node;
  return (call.args ?? []).every((arg) => {
    if (isHarmless(arg)) return true;
    if (!("FuncCall" in arg) || arg.FuncCall.over !== undefined || arg.FuncCall.agg_filter !== undefined) return false;
    return tracer.traitsOf(strings(arg.FuncCall.funcname), "function").total && (arg.FuncCall.args ?? []).every(isHarmless);
  });
}

/** A setting with a dot in its name is a variable, into which anything may have been put. */
function readsVariable(tracer: Tracer, { args = [] }: FuncCall, scope: Scope): boolean {
  const name = constantText(args[0]);
  if (name !== null) return name.includes(".");
  // The list of settings has no variables.
  const { plain, sources } = valueOf(tracer, args[0], scope);
  return !(plain && sources.size === 1 && sources.has(sourceKey("pg_settings", "name")));
}

/** What decides which values are taken, or in what order, and so shows in the result. */
function picking(tracer: Tracer, nodes: readonly unknown[], scope: Scope): Value {
  const value = tracer.nested(() => valueOf(tracer, nodes, scope));
  tracer.filter(value);
  return value;
}

function subquery({ tracer, scope, found, as }: Place, { subLinkType, operName, subselect }: SubLink): readonly unknown[] {
  if (operName !== undefined && !tracer.traitsOf(strings(operName), "operator").transparent) found.push(anything);
  if (subselect === undefined) return [];
  const { items, filters } = tracer.query(subselect, scope);
  const scalar = subLinkType === "EXPR_SUBLINK" || subLinkType === "ARRAY_SUBLINK" || subLinkType === "MULTIEXPR_SUBLINK";
  // Whether there is such a row is what the others answer.
  if (!scalar && as === "values") found.push(filters.probed, filters.matched);
  if (subLinkType !== "EXISTS_SUBLINK") found.push(wholeItems(items));
  return [];
}

function columnRef(tracer: Tracer, fields: readonly Node[] = [], scope: Scope): Value {
  const names = strings(fields);
  const star = fields.some((field) => "A_Star" in field);
  const value = star ? computed(union(starred(names, scope).map(wholeRow))) : resolve(names, scope);
  tracer.spend(1 + value.sources.size);
  tracer.read.add(value);
  return value;
}

/** What `*` or `alias.*` stands for. */
export const starred = (names: readonly string[], scope: Scope): Scope["entries"] =>
  names.length === 0 ? scope.entries : [...entriesNamed(names.at(-1) ?? "", scope)];
