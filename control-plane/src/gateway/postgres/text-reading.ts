import { isAscii, isUtf8 } from "node:buffer";
import { type CommandFacts, noColumnsKnown, plainFacts } from "../../domain/facts.ts";
import type { StatementAnalysis } from "./facts/analysis.ts";

/**
 * How the target reads text: what our parser assumes must hold, or what it says does not count. `plain` once stays `plain`:
 * settings can come back in ways that are not announced in time (RESET, ROLLBACK).
 */
export type TextReading =
  /**
   * `utf8`: the target takes nothing else for text. `converted`: the encoding from which it makes other letters than those that are parsed here.
   * `lossy`: what it answers is converted, too, and may have letters that the client's encoding has not.
   */
  | { readonly kind: "as_parsed"; readonly utf8: boolean; readonly converted?: string; readonly lossy?: boolean }
  | { readonly kind: "plain"; readonly why: string };

/** Until the target says how it reads text now, which it does with ReadyForQuery. */
export const afterUnclassified: TextReading = { kind: "plain", why: "Code that cannot be classified ran just before, and may have changed how text is read." };

/** Of what cannot be read: the riskiest class. */
export const opaqueFacts = (reason: string, verb: string): CommandFacts => ({
  ...plainFacts,
  ...noColumnsKnown,
  functionClasses: ["unclassified"],
  verbs: [verb],
  riskClass: "unclassified",
  hazards: ["unparsed"],
  unclassifiedReason: reason,
});

/** The analysis of a text where the target reads it as it was parsed; where it may not, that nothing is known of it. */
export function asRead(sql: Buffer, analysis: StatementAnalysis, reading: TextReading): StatementAnalysis {
  const reason = misread(sql, reading);
  if (reason === undefined) return reading.kind === "as_parsed" && reading.lossy !== true ? analysis : asConverted(analysis);
  // Nor is it certain what is a comment, and what a literal.
  return {
    ...analysis,
    named: undefined,
    hidesCode: analysis.redacted,
    facts: { ...opaqueFacts(reason, "UNKNOWN"), statementCount: analysis.facts.statementCount },
    outputs: [],
  };
}

/** As PostgreSQL compares the names of encodings: "utf-8" is UTF8. */
const encodingNamed = (name: string): string => name.replaceAll(/[^A-Za-z0-9]/g, "").toLowerCase();

/** One object for the same analysis: what is the same is decided from memory, which goes by identity. */
const remembered = new WeakMap<StatementAnalysis, StatementAnalysis>();

/** `translate(ssn, '4', 'Ж')` fails in LATIN1 where there is a 4, before the agent masks it. */
function asConverted(analysis: StatementAnalysis): StatementAnalysis {
  const { facts, columnsMade } = analysis;
  if (columnsMade === undefined) return analysis;
  let known = remembered.get(analysis);
  if (known === undefined) {
    const made = new Set(columnsMade);
    const columnsFiltered = [...new Set([...facts.columnsFiltered, ...made])].toSorted();
    known = { ...analysis, facts: { ...facts, columnsFiltered, columnsMatched: facts.columnsMatched.filter((name) => !made.has(name)) } };
    remembered.set(analysis, known);
  }
  return known;
}

/** Encodings in which every byte below 0x80 is that ASCII character, wherever it stands. */
const asciiSafe = /^(utf8|unicode|sqlascii|latin\d+|iso8859\d+|win(866|874|125\d)|koi8[ru]?|euc\w+)$/;

export const isAsciiSafe = (encoding: string): boolean => asciiSafe.test(encodingNamed(encoding));

/** The analyser calls it unclassified; but nobody need be asked about what cannot run. */
export const isGarbled = (sql: Buffer, reading: TextReading): boolean => reading.kind === "as_parsed" && reading.utf8 && !isUtf8(sql);

/** Text without quotes that could be read in two ways is read alike under every setting; letters of another encoding may look like UTF-8. */
function misread(sql: Buffer, reading: TextReading): string | undefined {
  if (reading.kind === "as_parsed") {
    const { converted } = reading;
    return converted === undefined || isAscii(sql) ? undefined : `Text in the client encoding ${converted} has other letters than in UTF-8.`;
  }
  return !isAscii(sql) || sql.includes(0x5c) ? reading.why : undefined;
}

/** The target converts nothing where the client names no encoding. In a database that has none it looks whether all is well-formed. */
export const readingIn = (encoding: string, ofServer: string): TextReading => {
  const [name, server] = [encoding, ofServer].map(encodingNamed);
  const utf8 = name === "utf8" || name === "unicode";
  const lossy = name !== "sqlascii" && name !== server && !(utf8 && server === "utf8");
  return { kind: "as_parsed", utf8, ...(utf8 || name === "sqlascii" ? {} : { converted: encoding }), ...(lossy ? { lossy } : {}) };
};
