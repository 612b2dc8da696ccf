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

/** Columns that one may be made of before it counts as made of anything: more than the views that people write are, and quickly gone through. */
export const MAX_ORIGINS = 4_000;

/** Each origin once: views over views repeat the same few with every level. */
export function joined(lineages: readonly Lineage[]): Lineage {
  const [only, ...more] = lineages;
  if (only === undefined) return OF_NO_COLUMN;
  if (more.length === 0) return only;
  const [origins, madeOf] = [new Set<Origin>(), new Set<Origin>()];
  for (const lineage of lineages) {
    for (const origin of lineage.origins) origins.add(origin);
    for (const origin of lineage.madeOf) madeOf.add(origin);
    if (origins.size + madeOf.size > MAX_ORIGINS) return bounded(origins, madeOf, true);
  }
  return bounded(
    origins,
    madeOf,
    lineages.some(({ opaque }) => opaque),
  );
}

/** Of a value that is computed from a column with this lineage. */
export const computedFrom = ({ origins, madeOf, opaque }: Lineage): Lineage =>
  origins.length === 0 ? { origins, madeOf, opaque } : bounded(new Set(), new Set([...origins, ...madeOf]), opaque);

const bounded = (origins: ReadonlySet<Origin>, madeOf: ReadonlySet<Origin>, opaque: boolean): Lineage => ({
  origins: [...origins].slice(0, MAX_ORIGINS),
  madeOf: [...madeOf].slice(0, MAX_ORIGINS),
  opaque: opaque || origins.size > MAX_ORIGINS || madeOf.size > MAX_ORIGINS,
});
