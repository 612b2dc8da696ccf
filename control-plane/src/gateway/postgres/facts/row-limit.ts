import type { Node, SelectStmt } from "@pgsql/types";

/**
 * The most rows that any query of the text gives back, where each says so itself with a constant; 0: one does not, or none is there.
 * LIMIT 0 is none, too: it is rare, and a rule that asks for a limit is none the worse for it.
 */
export function rowLimitOf(statements: readonly (Node | undefined)[]): number {
  let most = 0;
  for (const statement of statements) {
    const query = queryOf(statement);
    if (query === undefined) continue;
    const limit = limitOf(query);
    if (limit === 0) return 0;
    most = Math.max(most, limit);
  }
  return most;
}

function queryOf(statement: Node | undefined): SelectStmt | undefined {
  if (statement === undefined) return undefined;
  if ("SelectStmt" in statement) return statement.SelectStmt;
  if ("CopyStmt" in statement) return queryOf(statement.CopyStmt.query);
  if ("PrepareStmt" in statement) return queryOf(statement.PrepareStmt.query);
  return "DeclareCursorStmt" in statement ? queryOf(statement.DeclareCursorStmt.query) : undefined;
}

/** FETCH FIRST … WITH TIES gives more. */
function limitOf({ limitCount, limitOption }: SelectStmt): number {
  if (limitCount === undefined || limitOption === "LIMIT_OPTION_WITH_TIES" || !("A_Const" in limitCount)) return 0;
  return limitCount.A_Const.ival?.ival ?? 0;
}
