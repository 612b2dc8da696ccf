import type { ColumnSource, OutputColumn } from "../analysis.ts";

/** What a value is made of. Sources are keys, made by `sourceKey`, so that a set of them is one. */
export interface Value {
  readonly sources: ReadonlySet<string>;
  readonly opaque: boolean;
  readonly plain: boolean;
  /** By an expression, not only gathered from columns; absent: no. */
  readonly made?: boolean;
}

/** Any column of a relation, or all of them. */
export const ANY_COLUMN = "*";

const SEPARATOR = "\0";

export const sourceKey = (table: string, column: string): string => `${table}${SEPARATOR}${column}`;

export function sourceOf(key: string): ColumnSource {
  const at = key.indexOf(SEPARATOR);
  return { table: key.slice(0, at), column: key.slice(at + 1) };
}

export const nothing: Value = { sources: new Set(), opaque: false, plain: false };
export const anything: Value = { sources: new Set(), opaque: true, plain: false };

export const column = (table: string, name: string): Value => ({ sources: new Set([sourceKey(table, name)]), opaque: false, plain: true });

/** Of several values one that is made of all of them; plain if all are. */
export function union(values: readonly Value[]): Value {
  const [first] = values;
  if (first === undefined) return nothing;
  if (values.length === 1) return first;
  const sources = new Set<string>();
  for (const value of values) for (const source of value.sources) sources.add(source);
  const made = values.some((value) => value.made === true);
  return { sources, opaque: values.some(({ opaque }) => opaque), plain: values.every(({ plain }) => plain), ...(made ? { made } : {}) };
}

export const computed = (value: Value): Value => (value.plain ? { ...value, plain: false } : value);

export const isNothing = ({ sources, opaque }: Value): boolean => sources.size === 0 && !opaque;

export const outputOf = ({ sources, opaque, plain }: Value): OutputColumn => ({ plain, sources: [...sources].map(sourceOf), opaque });

/** A set of values that grows. */
export class Gathered {
  readonly #sources = new Set<string>();
  #opaque = false;

  add({ sources, opaque }: Value): void {
    for (const source of sources) this.#sources.add(source);
    this.#opaque ||= opaque;
  }

  /** As it is now; later additions show. */
  get value(): Value {
    return { sources: this.#sources, opaque: this.#opaque, plain: false };
  }
}
