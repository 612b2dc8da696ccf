/** Cedar's JSON form of a policy, as far as we look at it. */
export type Json = null | boolean | number | string | readonly Json[] | Node;
export interface Node {
  readonly [key: string]: Json | undefined;
}

export interface Operands {
  readonly left?: Json | undefined;
  readonly right?: Json | undefined;
}

/** Every object of the tree, outer before inner. Iterative: the depth is the author's. */
export function* nodesOf(root: Json): Generator<{ readonly node: Node; readonly depth: number }> {
  const open = [{ value: root, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value !== "object" || value === null) continue;
    if (isNode(value)) yield { node: value, depth };
    for (const inner of Object.values(value)) open.push({ value: inner ?? null, depth: depth + 1 });
  }
}

/** `context.name`, `principal.name` or `resource.name`; empty for anything else. */
export function attributeOf(node: Json | undefined): string {
  const access = isNode(node) ? node["."] : undefined;
  if (!isNode(access) || !isNode(access["left"])) return "";
  const { attr, left } = access;
  return typeof attr === "string" && isNode(left) && typeof left["Var"] === "string" ? `${left["Var"]}.${attr}` : "";
}

export function operandsOf(node: Node, operator: string): Operands {
  const operands = node[operator];
  return isNode(operands) ? { left: operands["left"], right: operands["right"] } : {};
}

export const literalOf = (node: Json | undefined): Json | undefined => (isNode(node) ? node["Value"] : undefined);

/** Of a set that the policy writes, its members; of anything else, itself. */
export function itemsOf(node: Json | undefined): readonly (Json | undefined)[] {
  const set = isNode(node) ? node["Set"] : undefined;
  return isList(set) ? set : [node];
}

export const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
export const isNode = (value: Json | undefined): value is Node => typeof value === "object" && value !== null && !Array.isArray(value);
