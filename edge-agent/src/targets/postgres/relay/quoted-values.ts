/**
 * Which part of an error or notice may hold values, in a session where columns are masked.
 *
 * Q1. A complaint with a place in the client's own text was made before anything was evaluated: it quotes that text and names of the
 *     catalogue, and stays whole. `secret::regclass` complains of a name that stands nowhere in the text, and has no place. A place beside
 *     a query is one in that query; beside a context it may be one in a value (`secret::regtype`).
 * Q2. So does a complaint about a text that evaluates nothing (`drop table custmers`), or about Parse, unless code of the database ran.
 * Q3. Of all else goes what is quoted; of complaints about data, what stands beside the message, too.
 * Q4. What code raises in its own words goes whole: no mark tells where a value begins.
 *
 * Fields are by their letter, as in the protocol. Texts may be of any encoding in which bytes below 0x80 of a character are no marks, and
 * of any language: quotes are then letters beyond ASCII.
 */

export type Fields = ReadonlyMap<string, string>;

export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Circumstances {
  /** Expressions may have been evaluated for it. */
  readonly evaluated: boolean;
  /** Policy shows what is computed from masked columns, hence what code makes of them. */
  readonly showsRaised: boolean;
}

/** The part of a field that is not to be seen. */
export type Hidden = (field: string, text: string) => Span | undefined;

/** Fields that the server itself makes up: severity, SQLSTATE, positions, and where in its source. */
const FIXED: ReadonlySet<string> = new Set("SVCPpFLR");
export const isFixed = (field: string): boolean => FIXED.has(field);
/** Data exceptions quote values anywhere, also without quotes; `chr` does so in exceeding a limit. */
const DATA_CLASSES: ReadonlySet<string> = new Set(["22", "54"]);
/** Constraints, and check options of views: the message names them, and the detail quotes the row. */
const ROW_CLASSES: ReadonlySet<string> = new Set(["23", "44"]);
/** State of the transaction or of prepared statements, rollbacks such as deadlocks, interventions, locks: about nothing that was evaluated. */
const STATE_CLASSES: ReadonlySet<string> = new Set(["25", "26", "40", "57"]);
const LOCK_NOT_AVAILABLE = "55P03";

const RAISED_STATES: ReadonlySet<string> = new Set(["P0001", "P0004"]);
/** Routines of the server that pass on what code, or another server, says; whatever its SQLSTATE. */
const RAISING: ReadonlySet<string> = new Set(["exec_stmt_raise", "exec_stmt_assert", "dblink_res_error", "pgfdw_report_error", "pgfdw_report_internal"]);
/** Sources of the other procedural languages. */
const LANGUAGES = /^(?:plperl|pltcl|plpy_|plv8|plr|SPI\.|Util\.)/i;
/** The frame where it happened, as PL/pgSQL writes it: names of the catalogue, and a line. Frames after it may be queries. */
const FRAME = /^PL\/pgSQL function [^"\n]{1,500} line \d+ at [A-Za-z ]+(?=\n|$)/;
/** Of no context, or that of looking at a function's body when it is made. */
const CHECKED = /^(?:(?:compilation of PL\/pgSQL|SQL) function "[^"\n]{1,500}"(?: near line \d+)?)?$/;

export function hiddenValues(fields: Fields, { evaluated, showsRaised }: Circumstances): Hidden {
  const sqlstate = fields.get("C") ?? "";
  const sqlstateClass = sqlstate.slice(0, 2);
  if (!showsRaised && isRaised(fields)) return (field, text) => (isFixed(field) ? undefined : field === "W" ? afterFrame(text) : all(text));
  if (fields.has("P") && !fields.has("q") && CHECKED.test(fields.get("W") ?? "")) return nothing;
  if (DATA_CLASSES.has(sqlstateClass)) return aboutData;
  if (ROW_CLASSES.has(sqlstateClass)) return aboutRow;
  if (!evaluated && !fields.has("W")) return nothing;
  return STATE_CLASSES.has(sqlstateClass) || sqlstate === LOCK_NOT_AVAILABLE ? ofQueries : aboutNames;
}

const nothing: Hidden = () => undefined;
const ofQueries: Hidden = (field, text) => (field === "W" ? afterFrame(text) : field === "q" ? all(text) : undefined);
const aboutData: Hidden = (field, text) => (field === "M" ? quotedIn(text) : field === "D" || field === "H" ? all(text) : ofQueries(field, text));
const aboutRow: Hidden = (field, text) => (field === "D" ? bracketedIn(text) : ofQueries(field, text));
const aboutNames: Hidden = (field, text) => (field === "M" || field === "H" || field === "D" ? quotedIn(text) : ofQueries(field, text));

const isRaised = (fields: Fields): boolean =>
  RAISED_STATES.has(fields.get("C") ?? "") || RAISING.has(fields.get("R") ?? "") || LANGUAGES.test(fields.get("F") ?? "");

/** A field that is empty says nothing. */
const all = (text: string): Span | undefined => (text === "" ? undefined : { from: 0, to: text.length });

/** `COPY customers, line 4711` tells which of the values that were sent is there already; others quote queries and their parameters. */
function afterFrame(text: string): Span | undefined {
  const from = FRAME.exec(text)?.[0].length ?? 0;
  if (from === text.length) return undefined;
  return { from: from === 0 ? 0 : from + 1, to: text.length };
}

/**
 * What a text says before its first quote, digit, bracket or colon is the server's own, and what it ends with where that is behind a quote. In
 * other languages than English (`lc_messages`) quotes are other letters, so that any letter beyond ASCII may be one.
 */
function quotedIn(text: string): Span | undefined {
  const first = text.search(/["\d(]|[^\0-\u007f]|: (?!")/);
  if (first < 0) return undefined;
  const last = text.lastIndexOf('"');
  const ending = text[first] === '"' && last > first && !/\d/.test(text.slice(last)) ? last : text.length;
  const from = text[first] === '"' ? first + 1 : text[first] === ":" ? first + 2 : first;
  return { from, to: ending };
}

/** `Key (email)=(…)` keeps the names of its columns, `Failing row contains (…)` nothing. A detail without brackets goes whole. */
function bracketedIn(text: string): Span {
  const key = text.indexOf(")=(");
  const first = key < 0 ? text.indexOf("(") + 1 : key + 3;
  const last = text.lastIndexOf(")");
  return { from: first, to: last < first ? text.length : last };
}
