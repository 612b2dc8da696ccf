/**
 * Relations of the catalogue that hold samples of what is in others: the most frequent values of a column, its bounds.
 * Who reads them may see any column.
 */
const samples: ReadonlySet<string> = new Set(["pg_stats", "pg_statistic", "pg_stats_ext", "pg_stats_ext_exprs", "pg_statistic_ext_data"]);

export const holdsSamples = (relation: string): boolean => samples.has(relation);
