import { isAscii, isUtf8 } from "node:buffer";
import { decodeBind, decodeExecute, decodeNamedObject, decodeParse, type Bind } from "@sallyport/proto/wire/postgres/extended";
import type { Frame } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { decodeQuery } from "@sallyport/proto/wire/postgres/query";
import { type CommandFacts, noColumnsKnown, plainFacts } from "../../domain/facts.ts";
import type { StatementAnalysis, StatementAnalyser } from "./facts/analysis.ts";
import { encodingNamed } from "./facts/names.ts";
import { asNamed } from "./executed-by-name.ts";
import type { Executable } from "./command-record.ts";
import { isAsciiName, type NamedObjects } from "./named-objects.ts";

/** A prepared statement, and what is known of it. */
export interface Prepared {
  readonly sql: Buffer;
  readonly parameterTypes: readonly number[];
  readonly analysis: StatementAnalysis;
  /** The target refuses these bytes, whatever policy says. */
  readonly garbled?: boolean;
}

export interface Portal {
  readonly prepared: Prepared | undefined;
  readonly bind: Bind;
}

export interface SessionNames {
  readonly statements: NamedObjects<Prepared>;
  readonly portals: NamedObjects<Portal>;
  readonly cursors: NamedObjects<Cursor>;
}

/** Made by DECLARE. */
export interface Cursor {
  readonly declared: Prepared;
  /** Outlives its transaction. */
  readonly held: boolean;
}

/**
 * How the target reads text: what our parser assumes must hold, or what it says does not count. `plain` once stays `plain`:
 * settings can come back in ways that are not announced in time (RESET, ROLLBACK).
 */
export type TextReading =
  /** `utf8`: the target takes nothing else for text. `converted`: the encoding from which it makes other letters than those that are parsed here. */
  { readonly kind: "as_parsed"; readonly utf8: boolean; readonly converted?: string } | { readonly kind: "plain"; readonly why: string };

/** Until the target says how it reads text now, which it does with ReadyForQuery. */
export const afterUnclassified: TextReading = { kind: "plain", why: "Code that cannot be classified ran just before, and may have changed how text is read." };

/** One message of an extended group with what it does. */
export type Step =
  /** Executes nothing; `executable` is what could be, for policy to refuse it here already. */
  | { readonly kind: "parse"; readonly frame: Frame; readonly name: string; readonly prepared: Prepared; readonly prospect: Executable }
  | { readonly kind: "bind"; readonly frame: Frame; readonly name: string; readonly portal: Portal; readonly executable: Executable | undefined }
  | {
      readonly kind: "execute";
      readonly frame: Frame;
      readonly portal: string;
      readonly executable: Executable;
      readonly analysis: StatementAnalysis | undefined;
    }
  | { readonly kind: "close"; readonly frame: Frame; readonly target: "statement" | "portal"; readonly name: string }
  | { readonly kind: "other"; readonly frame: Frame };

const opaque = (reason: string, verb: string): CommandFacts => ({
  ...plainFacts,
  ...noColumnsKnown,
  functionClasses: ["unclassified"],
  verbs: [verb],
  riskClass: "unclassified",
  hazards: ["unparsed"],
  unclassifiedReason: reason,
});

export async function judgeQuery(
  frame: Frame,
  analyser: Pick<StatementAnalyser, "analyse">,
  names: SessionNames,
  reading: TextReading,
): Promise<{ readonly executable: Executable; readonly text: Prepared }> {
  const sql = decodeQuery(frame.payload);
  const analysis = asRead(sql, await analyser.analyse(sql), reading);
  const text = asNamed({ sql: Buffer.from(sql), parameterTypes: [], analysis, garbled: isGarbled(sql, reading) }, names);
  return { executable: executableOf("simple", text, undefined), text };
}

/** The legacy call by OID: nothing says what it does. */
export function judgeFunctionCall(frame: Frame): Executable {
  const oid = frame.payload.length >= 4 ? frame.payload.readUInt32BE(0) : 0;
  const facts = opaque("A function called by its OID.", "FUNCTION CALL");
  return {
    via: "function_call",
    sql: frame.payload,
    parameterTypes: [],
    parameters: [{ format: "binary", value: frame.payload }],
    facts,
    recordable: `<function call of OID ${oid}>`,
    redacted: false,
    leavesReadOnly: true,
  };
}

/** Of the texts that a group prepares, in order; a promise only where one of them is new. */
export function analyseGroup(frames: readonly Frame[], analyser: StatementAnalyser): readonly StatementAnalysis[] | Promise<readonly StatementAnalysis[]> {
  const texts = frames.filter(({ type }) => type === frontend.parse).map(({ payload }) => decodeParse(payload).sql);
  const known: StatementAnalysis[] = [];
  for (const text of texts) {
    const analysis = analyser.analyse(text);
    if (analysis instanceof Promise) return oneByOne(known, analysis, texts.slice(known.length + 1), analyser);
    known.push(analysis);
  }
  return known;
}

/** All sessions share the parser's queue, and none must fill it: a group has one text in it at a time. */
async function oneByOne(
  known: readonly StatementAnalysis[],
  next: Promise<StatementAnalysis>,
  rest: readonly Buffer[],
  analyser: StatementAnalyser,
): Promise<readonly StatementAnalysis[]> {
  const analyses = [...known, await next];
  for (const text of rest) analyses.push(await analyser.analyse(text));
  return analyses;
}

/**
 * Follows an extended group through the names that it makes and uses, as the target will. `analyses`: what `analyseGroup` says of it.
 * A bind that the same group executes is judged with that execution; one that it leaves open is judged by itself, since the
 * target plans, and may compute, on Bind.
 */
export function judgeGroup(frames: readonly Frame[], names: SessionNames, analyses: readonly StatementAnalysis[], reading: TextReading): Step[] {
  const analysed = analyses.values();
  const statements = new Map<string, Prepared | undefined>();
  const portals = new Map<string, Portal>();
  let trusted = true;
  let portalsTrusted = true;
  let textReading = reading;
  const find = (name: string): Prepared | undefined => {
    if (!isAsciiName(name)) return undefined;
    return statements.has(name) || !trusted ? statements.get(name) : names.statements.get(name);
  };
  const steps: Step[] = [];
  const openBinds = new Map<string, number>();
  /** Bound again before they were executed, or under a name that nothing is known of: the target has planned them all the same. */
  const abandoned: number[] = [];
  for (const frame of frames) {
    switch (frame.type) {
      case frontend.parse: {
        const { statement, sql, parameterTypes } = decodeParse(frame.payload);
        const analysis = analysed.next().value;
        if (analysis === undefined) throw new Error("A Parse of the group was not analysed.");
        // A copy: what is remembered must not keep the whole chunk that it came in.
        const prepared = { sql: Buffer.from(sql), parameterTypes, analysis: asRead(sql, analysis, textReading), garbled: isGarbled(sql, textReading) };
        statements.set(statement, prepared);
        steps.push({ kind: "parse", frame, name: statement, prepared, prospect: executableOf("parse", prepared, undefined) });
        break;
      }
      case frontend.bind: {
        const bind = decodeBind(frame.payload);
        const portal = { prepared: find(bind.statement), bind };
        if (isAsciiName(bind.portal)) {
          portals.set(bind.portal, portal);
          const before = openBinds.get(bind.portal);
          if (before !== undefined) abandoned.push(before);
          openBinds.set(bind.portal, steps.length);
        } else {
          // Two names of the client's encoding may be one at the target, which converts them and cuts them off: an Execute of it may run anything.
          abandoned.push(steps.length);
        }
        steps.push({ kind: "bind", frame, name: bind.portal, portal, executable: undefined });
        break;
      }
      case frontend.execute: {
        const { portal } = decodeExecute(frame.payload);
        openBinds.delete(portal);
        const boundHere = portals.get(portal);
        const bound = boundHere ?? (portalsTrusted ? names.portals.get(portal) : undefined);
        const analysis = bound?.prepared?.analysis;
        const effect = preparedNamesAfter(analysis);
        steps.push({
          kind: "execute",
          frame,
          portal,
          executable: { ...executableOf("execute", bound?.prepared, bound?.bind), boundBefore: boundHere === undefined },
          analysis,
        });
        if (analysis === undefined || analysis.facts.riskClass === "unclassified") textReading = afterUnclassified;
        if (touchesPortals(analysis)) {
          portals.clear();
          if (bound !== undefined) portals.set(portal, bound);
          portalsTrusted = false;
        }
        if (effect === "all") {
          statements.clear();
          trusted = false;
        } else {
          for (const name of effect) statements.set(name, undefined);
        }
        break;
      }
      case frontend.close: {
        const { kind, name } = decodeNamedObject(frame.payload);
        if (kind === "statement") statements.delete(name);
        else portals.delete(name);
        steps.push({ kind: "close", frame, target: kind, name });
        break;
      }
      default:
        steps.push({ kind: "other", frame });
    }
  }
  for (const index of [...abandoned, ...openBinds.values()]) {
    const step = steps[index];
    if (step?.kind === "bind") steps[index] = { ...step, executable: executableOf("bind", step.portal.prepared, step.portal.bind) };
  }
  return steps;
}

/** Commands that make or end cursors, which share their names with portals. */
const cursorVerbs = /^(DECLARE|CLOSE|ROLLBACK|DISCARD|FETCH|MOVE)/;

export const touchesPortals = (analysis: StatementAnalysis | undefined): boolean =>
  analysis === undefined || analysis.facts.riskClass === "unclassified" || analysis.facts.verbs.some((verb) => cursorVerbs.test(verb));

/**
 * Names that mean something else, or nothing known, once this has run: SQL's PREPARE and DEALLOCATE share them with the
 * protocol, and code that cannot be classified could do either.
 */
export function preparedNamesAfter(analysis: StatementAnalysis | undefined): readonly string[] | "all" {
  if (analysis === undefined || analysis.facts.riskClass === "unclassified") return "all";
  const { prepares, deallocates } = analysis.preparedNames;
  if (deallocates === "all") return "all";
  return [...prepares, ...deallocates].map((name) => Buffer.from(name, "utf8").toString("latin1"));
}

function asRead(sql: Buffer, analysis: StatementAnalysis, reading: TextReading): StatementAnalysis {
  const reason = misread(sql, reading);
  if (reason === undefined) return reading.kind === "as_parsed" && reading.converted === undefined ? analysis : asConverted(analysis);
  // Nor is it certain what is a comment, and what a literal.
  return {
    ...analysis,
    named: undefined,
    hidesCode: analysis.redacted,
    facts: { ...opaque(reason, "UNKNOWN"), statementCount: analysis.facts.statementCount },
    outputs: [],
  };
}

/** One object for the same analysis: what is the same is decided from memory, which goes by identity. */
const rememberedConverted = new WeakMap<StatementAnalysis, StatementAnalysis>();

/** `translate(ssn, '4', 'Ж')` fails in LATIN1 where there is a 4, before the agent masks it. */
function asConverted(analysis: StatementAnalysis): StatementAnalysis {
  const { facts, columnsMade } = analysis;
  if (columnsMade === undefined) return analysis;
  let known = rememberedConverted.get(analysis);
  if (known === undefined) {
    const made = new Set(columnsMade);
    const columnsFiltered = [...new Set([...facts.columnsFiltered, ...made])].toSorted();
    known = { ...analysis, facts: { ...facts, columnsFiltered, columnsMatched: facts.columnsMatched.filter((name) => !made.has(name)) } };
    rememberedConverted.set(analysis, known);
  }
  return known;
}

/** Encodings in which every byte below 0x80 is that ASCII character, wherever it stands. */
const asciiSafe = /^(utf8|unicode|sqlascii|latin\d+|iso8859\d+|win(866|874|125\d)|koi8[ru]?|euc\w+)$/;

export const isAsciiSafe = (encoding: string): boolean => asciiSafe.test(encodingNamed(encoding));

/** The analyser calls it unclassified; but nobody need be asked about what cannot run. */
const isGarbled = (sql: Buffer, reading: TextReading): boolean => reading.kind === "as_parsed" && reading.utf8 && !isUtf8(sql);

/** Text without quotes that could be read in two ways is read alike under every setting; letters of another encoding may look like UTF-8. */
function misread(sql: Buffer, reading: TextReading): string | undefined {
  if (reading.kind === "as_parsed") {
    const { converted } = reading;
    return converted === undefined || isAscii(sql) ? undefined : `Text in the client encoding ${converted} has other letters than in UTF-8.`;
  }
  return !isAscii(sql) || sql.includes(0x5c) ? reading.why : undefined;
}

function executableOf(via: Executable["via"], prepared: Prepared | undefined, bind: Bind | undefined): Executable {
  const parameters = bind?.parameters ?? [];
  if (prepared === undefined) {
    const recordable = `<statement unknown to the gateway${bind === undefined ? "" : `, bound as "${bind.statement}"`}>`;
    return {
      via,
      sql: Buffer.from(recordable),
      parameterTypes: [],
      parameters,
      facts: opaque("A prepared statement or portal that the gateway has not seen.", "UNKNOWN"),
      recordable,
      redacted: false,
      leavesReadOnly: true,
    };
  }
  const { facts, recordable, redacted, hidesCode, leavesReadOnly, stated, searchPath, makesTemporary } = prepared.analysis;
  const { sql, parameterTypes, garbled = false } = prepared;
  return { via, sql, parameterTypes, parameters, facts, recordable, redacted, hidesCode, leavesReadOnly, stated, searchPath, makesTemporary, garbled };
}
