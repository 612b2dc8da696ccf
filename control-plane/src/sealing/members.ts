/** A value in a tree of JSON, and the keys that lead to it. */
export interface Member {
  readonly keys: readonly string[];
  readonly value: unknown;
}

/** What stands at a path; `*` is each member of a list. Nothing where the path leads nowhere. */
export function membersAt(root: unknown, path: readonly string[], keys: readonly string[] = []): readonly Member[] {
  const [first, ...rest] = path;
  if (first === undefined) return root === undefined ? [] : [{ keys, value: root }];
  if (typeof root !== "object" || root === null) return [];
  if (first === "*") return Array.isArray(root) ? root.flatMap((member, index) => membersAt(member, rest, [...keys, String(index)])) : [];
  return Object.hasOwn(root, first) ? membersAt((root as Readonly<Record<string, unknown>>)[first], rest, [...keys, first]) : [];
}

/** A copy that differs in one place; what is not on the way to it is shared. */
export function replaceAt<Root extends object>(root: Root, [first, ...rest]: readonly string[], value: unknown): Root {
  if (first === undefined) return root;
  const member = (root as Readonly<Record<string, unknown>>)[first];
  const replaced = rest.length === 0 ? value : replaceAt(member as object, rest, value);
  if (Array.isArray(root)) return root.with(Number(first), replaced) as unknown as Root;
  return { ...root, [first]: replaced };
}
