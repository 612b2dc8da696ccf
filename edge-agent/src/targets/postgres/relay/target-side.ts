import { SallyportError } from "@sallyport/proto/errors";
import type { Report } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import { backend } from "@sallyport/proto/wire/postgres/message-types";
import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { type Lineage, OF_ANYTHING } from "../../../masking/lineage.ts";
import type { HoldBytes } from "../../held-bytes.ts";
import { nothingUnlearnt } from "../catalogue/catalogue.ts";
import type { Unlearnt } from "../catalogue/explore.ts";
import { type ColumnCatalogue, columnLineages, type StatedLineage } from "./column-lineage.ts";
import { holdReadOnly } from "../read-only.ts";
import { CopyOut } from "./copy-out.ts";
import { type CopyKnowledge, NOTHING_KNOWN, planCopy } from "./copy-plan.ts";
import { maskDiagnostic, tellsOfWork } from "./diagnostics.ts";
import type { Expectations, Expected } from "./expectations.ts";
import { maskFunctionResult } from "./function-result.ts";
import { type MessageHandler, MessageSplitter, type Treatment } from "./message-splitter.ts";
import type { Duties } from "./duties.ts";
import { maskNotification } from "./notifications.ts";
import { Outbox } from "./outbox.ts";
import { ResultTally } from "./result-tally.ts";
import { readResultColumns, type ResultColumn } from "./result-columns.ts";
import { admits, isCapped, retag, taggedRows, withheldNotice } from "./result-caps.ts";
import { maskRow } from "./row-masker.ts";
import { planRows, type RowPlan } from "./row-plan.ts";

const KNOWN: ReadonlySet<number> = new Set(Object.values(backend));
const IDLE = 0x49;
/** Others may change what was looked up before it is used; whoever loses that race so often gets everything masked. */
export const MAX_LOOKUPS_PER_RESULT = 3;

export interface TargetSideDeps {
  readonly readOnly?: boolean;
  readonly catalogue: ColumnCatalogue;
  readonly expectations: Expectations;
  readonly toClient: (bytes: Buffer) => void;
  readonly report: (report: Report) => void;
  readonly learn: (unlearnt: Unlearnt) => void;
  readonly definitionsChanged: () => void;
  readonly ready: () => void;
  readonly answered: () => void;
  readonly hold: HoldBytes;
}

/** A result whose columns are being looked up. */
interface Awaited {
  readonly columns: readonly ResultColumn[];
  lookups: number;
}

/**
 * What comes from the target, on its way to the client.
 *
 * T1. Without duties nothing is held but headers: every byte passes as it came, and is counted and digested on its way.
 * T2. With columns to be masked, a row passes only under a plan that was made from its own description.
 * T3. The bytes of the message that ends a command go to the client before its report, and nothing after them does.
 * T4. While the origin of a column is being looked up, nothing behind its description is looked at, let alone passed.
 */
export class TargetSide implements MessageHandler {
  readonly #deps: TargetSideDeps;
  readonly #splitter: MessageSplitter;
  readonly #out: Outbox;
  readonly #tally = new ResultTally();
  #duties: Duties;
  #plan: RowPlan | undefined;
  #copy: CopyOut | undefined;
  #copying = false;
  #copyKnowledge: CopyKnowledge = NOTHING_KNOWN;
  /** What the client is told in place of the target's word that the transaction had failed before. */
  #copyRefusal: Buffer | undefined;
  /** The message that passes is a result row. */
  #isResult = false;
  #stated: StatedLineage = "unknown";
  /** The session's transaction may have changed definitions that others cannot see yet. */
  #unsettled = false;
  #awaited: Awaited | undefined;
  /** What the client is told in place of the target's word that it was cancelled. */
  #stopError: Buffer | undefined;

  constructor(duties: Duties, deps: TargetSideDeps) {
    this.#duties = duties;
    this.#deps = deps;
    this.#splitter = new MessageSplitter(this, (bytes) => deps.hold("message", bytes));
    this.#out = new Outbox(deps.toClient);
  }

  oblige(duties: Duties): void {
    this.#duties = duties;
    this.#endOfCommand();
  }

  expectResults(stated: StatedLineage): void {
    this.#stated = stated;
    if (stated === "unknown" || stated.changesDefinitions) this.#unsettled = true;
  }

  get unsettled(): boolean {
    return this.#unsettled;
  }

  lineagesOf(columns: readonly ResultColumn[], unlearnt: Unlearnt): readonly Lineage[] {
    return columnLineages(columns, this.#stated, this.#deps.catalogue, this.#unsettled, unlearnt);
  }

  learnt(): void {
    const awaited = this.#awaited;
    if (awaited === undefined) throw new Error("nothing was to be learnt");
    if (!this.#plans(awaited)) return;
    this.#splitter.resume();
    this.#tally.settle();
    this.#out.flush();
  }

  expectCopy(knowledge: CopyKnowledge, refusal: Buffer | undefined): void {
    this.#copyKnowledge = knowledge;
    this.#copyRefusal = refusal;
  }

  stopping(error: Buffer): void {
    this.#stopError = error;
  }

  push(bytes: Buffer): void {
    this.#splitter.push(bytes);
    this.#tally.settle();
    this.#out.flush();
  }

  begin(type: number, size: number): Treatment {
    this.#isResult = false;
    switch (type) {
      case backend.dataRow:
        return this.#beginRow(size);
      case backend.copyData:
        return this.#beginCopyData();
      case backend.commandComplete:
        return "hold";
      case backend.copyDone:
        return this.#copy === undefined ? "pass" : "hold";
      case backend.portalSuspended:
        return isCapped(this.#duties.caps) ? "hold" : "pass";
      case backend.readyForQuery:
        return this.#unsettled ? "hold" : "pass";
      case backend.copyOutResponse:
        return this.#duties.columns || isCapped(this.#duties.caps) ? "hold" : "pass";
      case backend.parameterStatus:
        return this.#deps.readOnly === true ? "hold" : "pass";
      case backend.rowDescription:
      case backend.noData:
      case backend.functionCallResponse:
      case backend.noticeResponse:
      case backend.notificationResponse:
        return this.#duties.columns ? "hold" : "pass";
      case backend.errorResponse:
        return this.#duties.columns || this.#stopError !== undefined || this.#copyRefusal !== undefined ? "hold" : "pass";
      default:
        if (this.#duties.columns && (!KNOWN.has(type) || type === backend.copyBothResponse)) {
          throw new SallyportError("feature.unsupported", "The target sent a message that cannot be masked.", { type: String.fromCharCode(type) });
        }
        return "pass";
    }
  }

  pass(bytes: Buffer, from: number, to: number): void {
    this.#out.add(bytes, from, to);
    if (this.#isResult) this.#tally.add(bytes, from, to);
  }

  end(type: number): void {
    switch (type) {
      case backend.dataRow:
      case backend.copyData:
      case backend.noticeResponse:
      case backend.notificationResponse:
      case backend.parameterStatus:
        return;
      case backend.copyOutResponse:
        this.#copying = true;
        return;
      case backend.copyDone:
        this.#expected(type);
        return;
      case backend.readyForQuery:
        // A COPY that failed before it began must not lend its columns to the next one.
        this.#copyKnowledge = NOTHING_KNOWN;
        this.#copyRefusal = undefined;
        this.#expected(type);
        this.#endOfCommand();
        this.#stopError = undefined;
        this.#deps.ready();
        return;
      case backend.emptyQueryResponse:
      case backend.portalSuspended:
      case backend.errorResponse:
        this.#expected(type);
        this.#report();
        return;
      default:
        this.#expected(type);
    }
  }

  held(type: number, bytes: Buffer, from: number, to: number): void {
    switch (type) {
      case backend.dataRow:
        if (this.#plan === undefined) throw new Error("a row was held without a plan");
        maskRow(bytes, from, to, this.#plan, this.#duties.masker, this.#out, this.#tally);
        return;
      case backend.copyData:
        this.#copy?.message(bytes, from, to);
        return;
      case backend.rowDescription:
      case backend.noData:
        this.#describe(type, bytes, from, to);
        return;
      case backend.copyOutResponse:
        this.#beginCopy(bytes, from, to);
        return;
      case backend.copyDone:
        this.#copy?.finish();
        break;
      case backend.commandComplete:
        this.#complete(bytes, from, to);
        return;
      case backend.portalSuspended:
        this.#announceWithheld();
        break;
      case backend.functionCallResponse:
        this.#expected(type);
        maskFunctionResult(bytes, from, to, this.#duties.masker, this.#out, this.#tally);
        return;
      case backend.errorResponse:
        return this.#refused(bytes.subarray(from, to));
      case backend.noticeResponse:
        if (tellsOfWork(bytes, from, to, this.#duties.masker)) return;
        return maskDiagnostic(bytes, from, to, this.#evaluates(), this.#duties.masker, this.#out, this.#tally);
      case backend.parameterStatus:
        holdReadOnly(bytes.subarray(from + FRAME_HEADER_BYTES, to));
        break;
      case backend.notificationResponse:
        return maskNotification(bytes, from, to, this.#duties.masker, this.#out, this.#tally);
      case backend.readyForQuery:
        if (bytes[from + FRAME_HEADER_BYTES] === IDLE) this.#settle();
        break;
      default:
        throw new Error(`message ${type} was held for no reason`);
    }
    this.#out.add(bytes, from, to);
    this.end(type);
  }

  #beginRow(size: number): Treatment {
    const { columns, caps } = this.#duties;
    if (columns) {
      if (this.#plan === undefined || !this.#deps.expectations.delivering)
        throw new SallyportError("wire.malformed", "The target sent a row that nothing described.");
    }
    if (!admits(caps, size, this.#tally)) return "drop";
    if (columns && this.#plan?.clean !== true) return "hold";
    this.#isResult = true;
    return "pass";
  }

  #beginCopyData(): Treatment {
    if (this.#copy !== undefined) return "hold";
    if (this.#duties.columns || isCapped(this.#duties.caps)) throw new SallyportError("wire.malformed", "The target sent COPY data that nothing described.");
    this.#tally.rows++;
    this.#isResult = true;
    return "pass";
  }

  #describe(type: number, bytes: Buffer, from: number, to: number): void {
    const asked = this.#expected(type);
    if (asked !== "injected") this.#out.add(bytes, from, to);
    if (asked === "statement") return;
    this.#plan = undefined;
    if (type === backend.noData) return;
    const awaited: Awaited = { columns: readResultColumns(bytes, from, to), lookups: 0 };
    if (!this.#plans(awaited)) this.#splitter.suspend();
  }

  /** Whether there is a plan for it; otherwise something is being looked up. */
  #plans(awaited: Awaited): boolean {
    const { masker } = this.#duties;
    const unlearnt = nothingUnlearnt();
    let lineages = masker.hasColumnRules ? this.lineagesOf(awaited.columns, unlearnt) : [];
    this.#awaited = undefined;
    if (unlearnt.relations.size + unlearnt.names.size > 0) {
      if (awaited.lookups++ < MAX_LOOKUPS_PER_RESULT) {
        this.#awaited = awaited;
        this.#deps.learn(unlearnt);
        return false;
      }
      lineages = awaited.columns.map(() => OF_ANYTHING);
    }
    this.#plan = planRows(awaited.columns, lineages, masker);
    return true;
  }

  #settle(): void {
    this.#unsettled = false;
    this.#deps.definitionsChanged();
  }

  #beginCopy(bytes: Buffer, from: number, to: number): void {
    this.#expected(backend.copyOutResponse);
    const format = planCopy(bytes, from, to, this.#copyKnowledge, this.#duties.masker, this.#tally);
    this.#copyKnowledge = NOTHING_KNOWN;
    this.#copy = new CopyOut(format, this.#duties.caps, this.#out, this.#tally, (size) => this.#deps.hold("copy", size));
    this.#copying = true;
    this.#out.add(bytes, from, to);
  }

  #complete(bytes: Buffer, from: number, to: number): void {
    this.#expected(backend.commandComplete);
    const { withheld } = this.#tally;
    this.#announceWithheld();
    const message = withheld > 0 ? retag(bytes, from, to, withheld) : undefined;
    if (message === undefined) this.#out.add(bytes, from, to);
    else this.#out.add(message, 0, message.length);
    // Headers, trailers and line breaks make messages of a COPY a poor count of its rows.
    if (this.#copying) this.#tally.rows = Math.max(0, (taggedRows(bytes, from, to) ?? this.#tally.rows + withheld) - withheld);
    this.#report();
  }

  #refused(error: Buffer): void {
    const refusal = this.#copyRefusal !== undefined && sqlstateOf(error) === IN_FAILED_TRANSACTION ? this.#copyRefusal : error;
    if (this.#stopError !== undefined && sqlstateOf(refusal) === QUERY_CANCELED) return this.#stopped(this.#stopError);
    // The refusal is of our Parse.
    const evaluated = refusal === error && this.#evaluates();
    maskDiagnostic(refusal, 0, refusal.length, evaluated, this.#duties.masker, this.#out, this.#tally);
    this.end(backend.errorResponse);
  }

  /** What is being answered may evaluate expressions, as far as is known. */
  #evaluates(): boolean {
    return !this.#deps.expectations.parsing && (this.#stated === "unknown" || this.#stated.evaluatesNothing !== true);
  }

  #stopped(error: Buffer): void {
    this.#tally.limit = "time";
    this.#out.add(error, 0, error.length);
    this.end(backend.errorResponse);
  }

  #announceWithheld(): void {
    if (this.#tally.withheld === 0) return;
    const notice = withheldNotice(this.#tally, this.#duties.caps);
    this.#out.add(notice, 0, notice.length);
  }

  #report(): void {
    this.#out.flush();
    this.#countMasked();
    this.#deps.report(this.#tally.take());
    this.#endOfCommand();
    // In a text of several statements the next one may be what is cancelled.
    if (!this.#deps.expectations.inQuery) this.#stopError = undefined;
  }

  #countMasked(): void {
    for (const [index, cells] of this.#plan?.masked.entries() ?? []) this.#tally.mask(this.#plan?.columns[index]?.label ?? "", cells);
  }

  #endOfCommand(): void {
    this.#plan = undefined;
    if (this.#copy !== undefined) this.#deps.hold("copy", 0);
    this.#copy = undefined;
    this.#copying = false;
  }

  #expected(type: number): Expected | undefined {
    const asked = this.#deps.expectations.received(type);
    this.#deps.answered();
    return asked;
  }
}

const QUERY_CANCELED = "57014";
const IN_FAILED_TRANSACTION = "25P02";

function sqlstateOf(message: Buffer): string | undefined {
  return decodeFields(message.subarray(FRAME_HEADER_BYTES)).get("C");
}
