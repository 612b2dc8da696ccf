import { SallyportError } from "@sallyport/proto/errors";

export type Operation = "Insert" | "Update" | "Delete" | "Merge";

/** What the target itself says that a statement will change, and with what. */
export interface PlannedChange {
  readonly operation: Operation;
  readonly schema: string;
  readonly table: string;
  /** Names of all that is called in it, views seen through. */
  readonly functions: readonly string[];
}

const OPERATIONS: ReadonlySet<string> = new Set<Operation>(["Insert", "Update", "Delete", "Merge"]);
/**
 * A quoted name, a literal, or a word, whichever comes first: each may hold the marks of the others. EXPLAIN writes neither E'' nor dollar
 * quotes. What is called is a name right before a bracket: a function, or a word of SQL, which the catalogue does not know.
 */
const TOKEN = /"((?:[^"]|"")*)"(\(?)|'(?:[^']|'')*'|([\w$]+)(\(?)/gu;

/** From EXPLAIN (VERBOSE, FORMAT JSON). Fails with `preview.unsafe` on what is no change of one plain table of this server. */
export function readPlannedChange(json: string): PlannedChange {
  const nodes = [...nodesOf(JSON.parse(json))];
  const foreign = nodes.find((node) => /^(?:Foreign|Custom)/.test(textOf(node, "Node Type")));
  if (foreign !== undefined) throw unsafe(`It reaches ${textOf(foreign, "Relation Name") || "data"} outside of this server's own tables.`);
  const [change, ...others] = nodes.filter((node) => textOf(node, "Node Type") === "ModifyTable");
  if (change === undefined || others.length > 0 || Array.isArray(change["Target Tables"])) throw unsafe("It does not change exactly one table.");
  const operation = textOf(change, "Operation");
  if (!OPERATIONS.has(operation)) throw unsafe(`It is a change of another kind than those that can be undone: ${operation}.`);
  const functions = nodes
    .flatMap((node) => Object.values(node))
    .flatMap(stringsOf)
    .flatMap(calledIn);
  return { operation: operation as Operation, schema: textOf(change, "Schema"), table: textOf(change, "Relation Name"), functions: [...new Set(functions)] };
}

type Node = Readonly<Record<string, unknown>>;

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value);

/** Everything that has a node type, at any depth. */
function* nodesOf(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const each of value) yield* nodesOf(each);
  if (!isNode(value)) return;
  if ("Node Type" in value) yield value;
  for (const each of Object.values(value)) yield* nodesOf(each);
}

/** All texts in it, but for those of nodes, which are looked at themselves. */
function stringsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(stringsOf);
  return isNode(value) && !("Node Type" in value) ? Object.values(value).flatMap(stringsOf) : [];
}

const calledIn = (text: string): readonly string[] =>
  Array.from(text.matchAll(TOKEN), ([, quoted = "", afterQuoted, word = "", afterWord]) =>
    afterQuoted === "(" ? [quoted.replaceAll('""', '"')] : afterWord === "(" ? [word] : [],
  ).flat();

function textOf(node: Node, key: string): string {
  const value = node[key];
  return typeof value === "string" ? value : "";
}

const unsafe = (message: string): SallyportError => new SallyportError("preview.unsafe", message);
