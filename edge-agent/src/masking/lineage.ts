/** A column by all the names that policy may know it under, in lower case: those of its tables, and its own, former ones included. */
export interface Origin {
  readonly tables: ReadonlySet<string>;
  readonly columns: ReadonlySet<string>;
}

/** Where the values of a result column come from. */
export interface Lineage {
  /** It shows values of these columns as they are. */
  readonly origins: readonly Origin[];
  /** It is computed from these. */
  readonly madeOf: readonly Origin[];
  /** It may be computed from anything. */
  readonly opaque: boolean;
}

export const OF_NO_COLUMN: Lineage = { origins: [], madeOf: [], opaque: false };
export const OF_ANYTHING: Lineage = { origins: [], madeOf: [], opaque: true };

export function joined(lineages: readonly Lineage[]): Lineage {
  const [only, ...more] = lineages;
  if (only === undefined) return OF_NO_COLUMN;
  if (more.length === 0) return only;
  return {
    origins: lineages.flatMap(({ origins }) => origins),
    madeOf: lineages.flatMap(({ madeOf }) => madeOf),
    opaque: lineages.some(({ opaque }) => opaque),
  };
}

/** Of a value that is computed from a column with this lineage. */
export const computedFrom = ({ origins, madeOf, opaque }: Lineage): Lineage =>
  origins.length === 0 ? { origins, madeOf, opaque } : { origins: [], madeOf: [...origins, ...madeOf], opaque };
