/** Deeper data is a mistake, and the walk below is recursive. */
const MAX_DEPTH = 100;

/** The path is made on the way back from what was found, so that the walk over sound data, which is nearly all of it, makes nothing. */
interface Misfit {
  readonly path: string;
  readonly what: string;
}

/**
 * Says where `value` is not JSON, or nothing when it is. Stricter than `JSON.stringify`, which drops, replaces or escapes silently:
 * what is stored must be what was given, or a fold of the record differs from the state that was decided on.
 */
export function whereNotJson(value: unknown, name: string): string | undefined {
  const found = misfitIn(value, 0);
  return found && `${name}${found.path} ${found.what}`;
}

function misfitIn(value: unknown, depth: number): Misfit | undefined {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? undefined : { path: "", what: "holds a lone surrogate" };
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : { path: "", what: `is ${value}` };
    case "object":
      break;
    default:
      return { path: "", what: `is ${typeof value}` };
  }
  if (value === null) return undefined;
  if (depth === MAX_DEPTH) return { path: "", what: `is nested deeper than ${MAX_DEPTH}` };
  return Array.isArray(value) ? misfitInArray(value, depth) : misfitInObject(value, depth);
}

function misfitInArray(array: readonly unknown[], depth: number): Misfit | undefined {
  for (let i = 0; i < array.length; i++) {
    const found = misfitIn(array[i], depth + 1);
    if (found !== undefined) return { path: `[${i}]${found.path}`, what: found.what };
  }
  return undefined;
}

function misfitInObject(object: object, depth: number): Misfit | undefined {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) return { path: "", what: "is not a plain object" };
  for (const key of Object.keys(object)) {
    if (!key.isWellFormed()) return { path: "", what: "has a key that holds a lone surrogate" };
    const found = misfitIn((object as Readonly<Record<string, unknown>>)[key], depth + 1);
    if (found !== undefined) return { path: `.${key}${found.path}`, what: found.what };
  }
  return undefined;
}
