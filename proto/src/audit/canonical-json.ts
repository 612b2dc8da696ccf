/** Deeper values are a mistake; the walk is recursive. The ledger refuses them at 100. */
export const MAX_DEPTH = 128;

/**
 * RFC 8785: one text for each JSON value. ECMAScript's own serialisation of numbers and strings is what the RFC prescribes; what
 * remains is the order of the keys (by UTF-16 units, as a plain sort has it), and to refuse what JSON cannot say.
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "number":
      if (!Number.isFinite(value)) throw new TypeError(`${value} is not JSON.`);
      return Object.is(value, -0) ? "0" : String(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      break;
    default:
      throw new TypeError(`A value of type ${typeof value} is not JSON.`);
  }
  if (value === null) return "null";
  if (depth === MAX_DEPTH) throw new TypeError(`JSON is nested deeper than ${MAX_DEPTH}.`);
  return Array.isArray(value) ? writeArray(value, depth) : writeObject(value as Readonly<Record<string, unknown>>, depth);
}

function writeArray(array: readonly unknown[], depth: number): string {
  let text = "[";
  for (let i = 0; i < array.length; i++) text += (i === 0 ? "" : ",") + write(array[i], depth + 1);
  return `${text}]`;
}

function writeObject(object: Readonly<Record<string, unknown>>, depth: number): string {
  let text = "{";
  for (const key of sorted(Object.keys(object))) text += (text.length === 1 ? "" : ",") + member(key) + write(object[key], depth + 1);
  return `${text}}`;
}

/** Up to here an insertion sort is the faster one; beyond it would be quadratic. */
const FEW_KEYS = 24;

/** Few keys, often nearly in order: a general sort takes longer than all the rest. Without a comparator it compares UTF-16 units. */
function sorted(keys: string[]): string[] {
  if (keys.length > FEW_KEYS) return keys.toSorted();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] as string;
    let at = i;
    while (at > 0 && (keys[at - 1] as string) > key) {
      keys[at] = keys[at - 1] as string;
      at--;
    }
    keys[at] = key;
  }
  return keys;
}

/** Nothing to escape, and no surrogate. */
const PLAIN = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/u;

function quote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError("A string with a lone surrogate has no canonical JSON.");
  return JSON.stringify(text);
}

/** Events have the same few hundred keys; a log that has more is only slower. */
const MAX_KNOWN_KEYS = 4_096;
const known = new Map<string, string>();

function member(key: string): string {
  const found = known.get(key);
  if (found !== undefined) return found;
  const written = `${quote(key)}:`;
  if (known.size < MAX_KNOWN_KEYS) known.set(key, written);
  return written;
}
