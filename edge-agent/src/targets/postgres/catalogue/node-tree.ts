import { SallyportError } from "@sallyport/proto/errors";

/** A node of PostgreSQL's own trees, as it prints them into its catalogue: `{VAR :varno 1 :varattno 3 …}`. */
export interface TreeNode {
  readonly type: string;
  /** A value that is made of several words, as bytes of a constant are, is a list of them. */
  readonly fields: ReadonlyMap<string, TreeValue>;
}

export type TreeValue = string | TreeNode | readonly TreeValue[];

/** Far deeper than any view that PostgreSQL itself would plan; a deeper one must not end the process. */
export const MAX_TREE_DEPTH = 2_000;

/**
 * Reads `pg_node_tree` (PostgreSQL, nodes/outfuncs.c and read.c): words stand between white space and brackets, a backslash protects
 * a character. A name may begin with a colon unprotected, so that the word after a label is always its value.
 * Fails on what it cannot read: what a view shows is then unknown.
 */
export function parseNodeTree(text: string): TreeValue {
  const words = text.matchAll(/[(){}]|(?:\\[^]|[^\s(){}\\])+/g);
  let word = words.next();
  const take = (): string => {
    if (word.done === true) throw malformed();
    const [found] = word.value;
    word = words.next();
    return found;
  };
  const peek = (): string => (word.done === true ? "" : word.value[0]);

  const node = (depth: number): TreeNode => {
    const type = take();
    const fields = new Map<string, TreeValue>();
    while (peek() !== "}") {
      const label = take();
      if (!label.startsWith(":") || fields.has(label)) throw malformed();
      const first = value(depth);
      const more: TreeValue[] = [];
      while (peek() !== "}" && !peek().startsWith(":")) more.push(value(depth));
      fields.set(label, more.length === 0 ? first : [first, ...more]);
    }
    take();
    return { type, fields };
  };
  const list = (depth: number): TreeValue[] => {
    const items: TreeValue[] = [];
    while (peek() !== ")") items.push(value(depth));
    take();
    return items;
  };
  const value = (depth: number): TreeValue => {
    if (depth > MAX_TREE_DEPTH) throw malformed();
    const next = take();
    if (next === "{") return node(depth + 1);
    if (next === "(") return list(depth + 1);
    if (next === "}" || next === ")") throw malformed();
    return next;
  };

  const tree = value(0);
  if (word.done !== true) throw malformed();
  return tree;
}

export const isNode = (value: TreeValue | undefined): value is TreeNode => typeof value === "object" && !isList(value);

export const isList = (value: TreeValue | undefined): value is readonly TreeValue[] => Array.isArray(value);

/** The number under a label; 0 when there is none, which is what PostgreSQL calls none. */
export const numberOf = ({ fields }: TreeNode, label: string): number => {
  const value = fields.get(label);
  return typeof value === "string" ? Number(value) || 0 : 0;
};

export const nodesOf = ({ fields }: TreeNode, label: string): readonly TreeNode[] => {
  const value = fields.get(label);
  return isList(value) ? value.filter(isNode) : [];
};

const malformed = (): SallyportError => new SallyportError("wire.malformed", "The target's catalogue holds a rule that cannot be read.");
