import { decodeBind, decodeExecute, decodeNamedObject, decodeParse, type Bind } from "@sallyport/proto/wire/postgres/extended";
import type { Frame } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { decodeQuery } from "@sallyport/proto/wire/postgres/query";
import type { StatementAnalysis, StatementAnalyser } from "./facts/analysis.ts";
import { asNamed } from "./executed-by-name.ts";
import type { Executable } from "./command-record.ts";
import { isAsciiName } from "./named-objects.ts";
import { type Portal, type Prepared, preparedNamesAfter, type SessionNames, touchesPortals } from "./session-names.ts";
import { afterUnclassified, asRead, isGarbled, opaqueFacts, type TextReading } from "./text-reading.ts";

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

export async function interpretQuery(
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
export function interpretFunctionCall(frame: Frame): Executable {
  const oid = frame.payload.length >= 4 ? frame.payload.readUInt32BE(0) : 0;
  const facts = opaqueFacts("A function called by its OID.", "FUNCTION CALL");
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

/** Of what a group executes and others have prepared, or bound; undefined: nothing is known of it. */
export function preparedBefore(frames: readonly Frame[], { statements, portals }: SessionNames): readonly (StatementAnalysis | undefined)[] {
  const parsed = new Set<string>();
  const bound = new Set<string>();
  const found: (StatementAnalysis | undefined)[] = [];
  for (const { type, payload } of frames) {
    if (type === frontend.parse) parsed.add(decodeParse(payload).statement);
    if (type === frontend.bind) {
      const { portal, statement } = decodeBind(payload);
      if (!parsed.has(statement)) found.push(statements.get(statement)?.analysis);
      bound.add(portal);
    }
    if (type !== frontend.execute) continue;
    const { portal } = decodeExecute(payload);
    if (!bound.has(portal)) found.push(portals.get(portal)?.prepared?.analysis);
  }
  return found;
}

/**
 * Follows an extended group through the names that it makes and uses, as the target will. `analyses`: what `analyseGroup` says of it.
 * A bind that the same group executes is judged with that execution; one that it leaves open is judged by itself, since the
 * target plans, and may compute, on Bind.
 */
export function interpretGroup(frames: readonly Frame[], names: SessionNames, analyses: readonly StatementAnalysis[], reading: TextReading): Step[] {
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

function executableOf(via: Executable["via"], prepared: Prepared | undefined, bind: Bind | undefined): Executable {
  const parameters = bind?.parameters ?? [];
  if (prepared === undefined) {
    const recordable = `<statement unknown to the gateway${bind === undefined ? "" : `, bound as "${bind.statement}"`}>`;
    return {
      via,
      sql: Buffer.from(recordable),
      parameterTypes: [],
      parameters,
      facts: opaqueFacts("A prepared statement or portal that the gateway has not seen.", "UNKNOWN"),
      recordable,
      redacted: false,
      leavesReadOnly: true,
    };
  }
  const { facts, recordable, redacted, hidesCode, leavesReadOnly, stated, searchPath, makesTemporary } = prepared.analysis;
  const { sql, parameterTypes, garbled = false } = prepared;
  return { via, sql, parameterTypes, parameters, facts, recordable, redacted, hidesCode, leavesReadOnly, stated, searchPath, makesTemporary, garbled };
}
