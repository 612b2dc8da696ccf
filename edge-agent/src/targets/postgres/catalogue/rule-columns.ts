import { isList, isNode, nodesOf, numberOf, parseNodeTree, type TreeNode, type TreeValue } from "./node-tree.ts";

/** A column of a relation; attribute 0 is the whole row. */
export interface ColumnReference {
  readonly relation: number;
  readonly attribute: number;
}

/** What a rule puts into one column of its relation. */
export interface RuleColumn {
  /** It shows the value of this column as it is. */
  readonly shows: ColumnReference | undefined;
  /** Otherwise: it is made of these, … */
  readonly madeOf: readonly ColumnReference[];
  /** … and of what these functions answer. */
  readonly functions: readonly number[];
}

/** Kinds of range table entry (PostgreSQL, parsenodes.h). */
const RELATION = "0";
const JOIN = "2";
const GROUP = "9";
/** Kinds of Query. */
const SELECT = "1";
/** Where nodes name the function that they call. */
const FUNCTION_LABELS = [":funcid", ":opfuncid", ":aggfnoid", ":winfnoid", ":tsmhandler"];
/** Steps that reading one rule may take: a hundred times what a view of 500 columns over ten subqueries takes. */
export const MAX_RULE_STEPS = 2_000_000;
/** `pg_rewrite.ev_type` of the rule that makes a view a view. */
const ON_SELECT = "1";

/**
 * The columns that a rule of `pg_rewrite` gives its relation, by number: what a view selects, or what a rule on INSERT, UPDATE or
 * DELETE returns in place of it. Fails when the rule cannot be read.
 */
export function ruleColumns(eventType: string, action: string): ReadonlyMap<number, RuleColumn> {
  const tree = parseNodeTree(action);
  const columns = new Map<number, RuleColumn>();
  const budget = { steps: 0 };
  for (const query of isList(tree) ? tree.filter(isNode) : []) {
    const isSelect = query.fields.get(":commandType") === SELECT;
    if (eventType === ON_SELECT && !isSelect) continue;
    for (const entry of nodesOf(query, eventType === ON_SELECT ? ":targetList" : ":returningList")) {
      if (entry.fields.get(":resjunk") !== "false") continue;
      columns.set(numberOf(entry, ":resno"), columnOf(entry, query, budget));
    }
  }
  return columns;
}

function columnOf(entry: TreeNode, query: TreeNode, budget: { steps: number }): RuleColumn {
  const shown = { relation: numberOf(entry, ":resorigtbl"), attribute: numberOf(entry, ":resorigcol") };
  if (shown.relation !== 0 && shown.attribute !== 0) return { shows: shown, madeOf: [], functions: [] };
  const found = new Sources(budget);
  found.walk(entry.fields.get(":expr"), [query]);
  return { shows: undefined, madeOf: found.columns, functions: [...found.functions] };
}

/** Everything that an expression is made of, through joins, subqueries and CTEs; what these compare and sort by included. */
class Sources {
  readonly columns: ColumnReference[] = [];
  readonly functions = new Set<number>();
  readonly #seen = new Set<TreeNode>();
  readonly #budget: { steps: number };

  /** Shared by the columns of a rule. */
  constructor(budget: { steps: number }) {
    this.#budget = budget;
  }

  /** `queries`: those around the node, the innermost first. */
  walk(value: TreeValue | undefined, queries: readonly TreeNode[]): void {
    if (++this.#budget.steps > MAX_RULE_STEPS) throw new Error("a rule is too large to be read");
    if (isList(value)) for (const item of value) this.walk(item, queries);
    if (!isNode(value)) return;
    const inside = value.type === "QUERY" ? [value, ...queries] : queries;
    if (value.type === "VAR") this.#variable(value, queries);
    for (const label of FUNCTION_LABELS) if (numberOf(value, label) !== 0) this.functions.add(numberOf(value, label));
    for (const field of value.fields.values()) if (typeof field !== "string") this.walk(field, inside);
  }

  #variable(variable: TreeNode, queries: readonly TreeNode[]): void {
    const level = numberOf(variable, ":varlevelsup");
    const query = queries[level];
    const entry = query === undefined ? undefined : nodesOf(query, ":rtable")[numberOf(variable, ":varno") - 1];
    if (query === undefined || entry === undefined) throw new Error("a variable of a rule refers to nothing");
    const attribute = numberOf(variable, ":varattno");
    const kind = entry.fields.get(":rtekind");
    if (kind === RELATION) {
      this.columns.push({ relation: numberOf(entry, ":relid"), attribute });
      return;
    }
    const around = queries.slice(level);
    const aliased = kind === JOIN ? ":joinaliasvars" : kind === GROUP ? ":groupexprs" : undefined;
    const expression = aliased === undefined ? undefined : listOf(entry, aliased)[attribute - 1];
    if (expression !== undefined) return this.walk(expression, around);
    // A subquery, function, list of values or CTE: whatever is in it. A CTE's text is with the query, whose every part then counts.
    const whole = kind === "6" ? (queries.at(-1) ?? entry) : entry;
    if (this.#seen.has(whole)) return;
    this.#seen.add(whole);
    this.walk(whole, whole === entry ? around : []);
  }
}

const listOf = ({ fields }: TreeNode, label: string): readonly TreeValue[] => {
  const value = fields.get(label);
  return isList(value) ? value : [];
};
