/** Deeper data is a mistake, and the walk below is recursive. */
const MAX_DEPTH = 100;

/**
 * Says where `value` is not JSON, or nothing when it is. Stricter than `JSON.stringify`, which drops, replaces or escapes silently:
 * what is stored must be what was given, or a fold of the record differs from the state that was decided on.
 */
export function whereNotJson(value: unknown, path: string, depth = 0): string | undefined {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? undefined : `${path} holds a lone surrogate`;
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : `${path} is ${value}`;
    case "object":
      break;
    default:
      return `${path} is ${typeof value}`;
  }
  if (value === null) return undefined;
  if (depth === MAX_DEPTH) return `${path} is nested deeper than ${MAX_DEPTH}`;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = whereNotJson(value[i], `${path}[${i}]`, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return `${path} is not a plain object`;
  for (const [key, member] of Object.entries(value)) {
    if (!key.isWellFormed()) return `a key of ${path} holds a lone surrogate`;
    const problem = whereNotJson(member, `${path}.${key}`, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
