import { isAscii } from "node:buffer";
import { SallyportError } from "@sallyport/proto/errors";
import { DescribeCopy, type ResultLineage } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { encodeReadyForQuery } from "@sallyport/proto/wire/postgres/backend";
import { type Frame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { encodeQuery } from "@sallyport/proto/wire/postgres/query";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { encodeRefusal } from "@sallyport/proto/wire/postgres/refusal";
import type { Obligations } from "../../domain/decision.ts";
import { recordsInput, recordsOutput, sameObligations } from "../../domain/obligations.ts";
import type { ClientOutput } from "./client-output.ts";
import type { ColumnTracer } from "./column-tracer.ts";
import type { CommandAuthorizer } from "./command-authorizer.ts";
import type { Executable } from "./command-record.ts";
import type { CopyOut, StatementAnalyser, StatementAnalysis } from "./facts/analysis.ts";
import { inTransaction } from "./in-transaction.ts";
import { analyseGroup, interpretFunctionCall, interpretGroup, interpretQuery, preparedBefore } from "./interpret.ts";
import type { Prepared } from "./session-names.ts";
import { resultLineage, sameLineage } from "./result-lineage.ts";
import { owedReplies } from "./owed-replies.ts";
import type { FieldCalls } from "./field-calls.ts";
import type { NameResolver } from "./name-resolver.ts";
import type { InputRecorder } from "./recording/input-recorder.ts";
import type { OutputRecorder } from "./recording/output-recorder.ts";
import { hintFor } from "./refusals.ts";
import type { RunningCommand } from "./running-command.ts";
import type { SessionKnowledge } from "./session-knowledge.ts";
import type { TargetLine } from "./target-line.ts";
import type { Unit } from "./units.ts";
import type { Instead, Verdict } from "./verdict.ts";
import { wireObligations } from "./wire-obligations.ts";

export interface UnitHandlerDeps {
  readonly authorizer: CommandAuthorizer;
  /** Of the text alone. */
  readonly analyser: StatementAnalyser;
  readonly calls: FieldCalls;
  readonly line: TargetLine;
  readonly output: ClientOutput;
  readonly knowledge: SessionKnowledge;
  readonly tracer: ColumnTracer;
  readonly names: NameResolver;
  readonly recorder: OutputRecorder;
  readonly input: InputRecorder;
  /** Ends the session: what the client should have seen cannot be recorded, and it cannot be told in the middle of it. */
  readonly lost: (error: SallyportError) => void;
  /** Those that the agent opened the target with. */
  readonly obligations: Obligations;
}

/**
 * Has the client's units judged and recorded, and forwards or refuses them.
 *
 * P1. Units are handled one after the other. The next one is judged when the one before is answered and its record is
 *     durable (or it was refused), so that prepared statements, obligations and transaction status are known, not guessed.
 *     In a group that is still open the target is made to answer by a Flush.
 * P2. Nothing is forwarded that the authorizer has not let through; what is forwarded are the client's own bytes (I4, I12).
 * P3. A refusal is an error like the target's own: the transaction it stands in fails, at the target too, the rest of its
 *     group is skipped, ReadyForQuery ends it, and the connection goes on (I13).
 * P4. COPY data that policy has recorded goes on when it is; where that cannot be, its COPY fails like any other command (P3).
 * P5. A unit whose output is recorded is over when all of its answer is, so that the next one finds nothing waiting. Where it could
 *     not be recorded, what is left of the answer is dropped, and the client told.
 */
export class UnitHandler {
  readonly #deps: UnitHandlerDeps;
  #obligations: Obligations;
  /** What the agent was told last. */
  #lineage: ResultLineage | undefined;
  #hold: AbortController | undefined;
  #clientGone = false;
  /** The group was refused: what the client still sends of it is dropped, as the target would. */
  #skipping = false;
  /** A unit whose output is recorded was sent, and its answer is awaited here. */
  #awaited = false;
  /** The rest of an answer that nobody will see is awaited. */
  #rest: NodeJS.Timeout | undefined;

  constructor(deps: UnitHandlerDeps) {
    this.#deps = deps;
    this.#obligations = deps.obligations;
  }

  /** The client sends nothing more and may be gone: what it sent still runs, but nobody is there to wait for people. */
  hungUp(): void {
    this.#clientGone = true;
    this.withdraw("client_gone");
  }

  /** Withdraws the command that is held, and answers whether there is one. */
  withdraw(reason: "cancelled" | "client_gone"): boolean {
    this.#hold?.abort(reason);
    return this.#hold !== undefined;
  }

  /** What the client should have seen could not be recorded: nothing more of it will come. */
  unrecorded(error: SallyportError): void {
    const { line, recorder, lost } = this.#deps;
    if (!this.#awaited || line.copying || !recorder.whole) lost(error);
    // A CancelRequest could come late and hit the client's next command; the end of the session ends what runs, and only that.
    else this.#rest ??= setTimeout(() => lost(error), UNSEEN_REST_MS).unref();
  }

  async handle(unit: Exclude<Unit, { kind: "terminate" }>): Promise<void> {
    const { line, recorder, input } = this.#deps;
    if (unit.kind === "copy") return this.#released(recorder.commandId !== undefined && unit.last, () => this.#copy(unit.frame, unit.last));
    if (!input.idle) await this.#endInput();
    if (line.copying) {
      if (unit.kind === "extended" && unit.frames.every(endsPart)) return line.duringCopy(unit.frames);
      throw new SallyportError("wire.malformed", "A command came in the middle of COPY data.");
    }
    if (!line.settled) await line.settle();
    if (!recorder.idle) await recorder.settled();
    if (line.over) return;
    const sync = unit.kind === "extended" && unit.end === "sync";
    // In a group that has failed, here or at the target, everything is ignored up to Sync.
    if (this.#skipping || line.failed) return sync ? this.#endSkipping() : undefined;
    switch (unit.kind) {
      case "extended":
        return this.#group(unit.frames, sync);
      case "function_call":
        return this.#whole(unit.frame, interpretFunctionCall(unit.frame), undefined);
      case "query": {
        const { calls, knowledge } = this.#deps;
        const { executable, text } = await interpretQuery(unit.frame, calls, knowledge, knowledge.reading);
        return this.#whole(unit.frame, executable, text);
      }
    }
  }

  async #copy({ raw }: Frame, last: boolean): Promise<void> {
    const { line, input } = this.#deps;
    if (!(await line.takesCopy())) return;
    if (!recordsInput(this.#obligations)) return line.copy(raw, last);
    const failure = await input.add(line.answering, raw, last);
    if (failure !== undefined) await this.#failCopy(failure);
  }

  /** Something else than COPY data comes behind it: what waits goes first, or, where the target takes no more, nowhere. */
  async #endInput(): Promise<void> {
    const failure = await this.#deps.input.settled();
    if (failure !== undefined) await this.#failCopy(failure);
  }

  /** What the client still sends of this COPY is dropped, as the target would. */
  async #failCopy(error: SallyportError): Promise<void> {
    const { line, output, recorder } = this.#deps;
    if (!recorder.idle) await recorder.settled();
    // The target may have failed by itself meanwhile, and said so.
    if (!line.copying || line.over) return;
    recorder.begin(undefined);
    output.write(encodeRefusal(error, "ERROR", error.code === "recording.full" ? hintFor(error) : UNRECORDED_COPY_HINT));
    await line.failCopy();
  }

  /** `counterTo`: the approval that this text was proposed in, in place of the client's own. */
  async #whole(frame: Frame, executable: Executable, text: Prepared | undefined, counterTo?: string): Promise<void> {
    const { line, output, knowledge } = this.#deps;
    const verdict = await this.#authorize([executable], [], counterTo);
    if (verdict.kind === "replaced") return this.#instead(verdict.instead);
    if (verdict.kind === "refused") {
      output.write(encodeRefusal(verdict.error, "ERROR", verdict.hint));
      return this.#endRefused();
    }
    if (line.over) return this.#abandon(verdict.commands);
    const analysis = text?.analysis;
    this.#oblige(verdict.obligations, [analysis], analysis?.copyOut);
    knowledge.ran(analysis);
    if (text !== undefined) knowledge.makes(text, verdict.commands[0]);
    const settled = verdict.durable && this.#guard(verdict.durable);
    const recorded = this.#recorded(verdict);
    await this.#released(recorded, () => line.whole(frame, verdict.commands[0]));
    if (settled !== undefined) await settled;
  }

  /** The proposed text is a query like any other: parsed, judged, held if need be, and forwarded as it was proposed. */
  async #instead({ statement, counterTo }: Instead): Promise<void> {
    const { line, output, knowledge, calls } = this.#deps;
    // It was proposed in UTF-8; in another encoding its bytes would say something else.
    if (!isAscii(Buffer.from(statement)) && !/^(UTF8|SQL_ASCII)$/i.test(knowledge.clientEncoding)) {
      const error = new SallyportError("feature.unsupported", "The proposed text has letters that this session's encoding writes otherwise.");
      output.write(encodeRefusal(error, "ERROR", "Set client_encoding to UTF8 and run it yourself."));
      return this.#endRefused();
    }
    if (line.over) return;
    const frame = frameOf(encodeQuery(statement));
    const { executable, text } = await interpretQuery(frame, calls, knowledge, knowledge.reading);
    return this.#whole(frame, executable, text, counterTo);
  }

  async #group(frames: readonly Frame[], sync: boolean): Promise<void> {
    const { line, knowledge, analyser, calls } = this.#deps;
    const read = analyseGroup(frames, analyser);
    const analyses = calls.group(read instanceof Promise ? await read : read, () => preparedBefore(frames, knowledge));
    const steps = interpretGroup(frames, knowledge, analyses instanceof Promise ? await analyses : analyses, knowledge.reading);
    const executables = steps.flatMap((step) => ("executable" in step && step.executable !== undefined ? [step.executable] : []));
    const prospects = steps.flatMap((step) => (step.kind === "parse" ? [step.prospect] : []));
    const nothing = executables.length === 0 && prospects.length === 0;
    const verdict: Verdict = nothing
      ? { kind: "passed", commands: [], obligations: this.#obligations, durable: undefined }
      : await this.#authorize(executables, prospects);
    // Nobody can propose another text for a group.
    if (verdict.kind === "replaced") throw new Error("A group of the extended protocol was replaced.");
    if (verdict.kind === "refused") return this.#refuseGroup(verdict.error, verdict.hint, sync);
    if (line.over) return this.#abandon(verdict.commands);
    // Portals and cursors share their names.
    if (steps.some((step) => step.kind === "bind" && step.name !== "")) knowledge.cursors.clear();
    const executed = steps.flatMap((step) => (step.kind === "execute" ? [step.analysis] : []));
    if (executables.length > 0) this.#oblige(verdict.obligations, executed, undefined);
    const settled = verdict.durable && this.#guard(verdict.durable);
    const recorded = this.#recorded(verdict);
    await this.#released(recorded, () => line.group(frames, owedReplies(steps, verdict.commands, knowledge), sync));
    if (settled !== undefined) await settled;
  }

  /** Whether the answer to it is, from its first byte on. */
  #recorded({ commands: [first], obligations }: Extract<Verdict, { kind: "passed" }>): boolean {
    const { line, recorder } = this.#deps;
    // What executes nothing belongs to what its group executed before: an error at the Sync may be of that.
    if (first !== undefined) recorder.begin(recordsOutput(obligations) ? first.commandId : undefined);
    else if (!line.groupOpen) recorder.begin(undefined);
    return recorder.commandId !== undefined;
  }

  /** Sends it and, where its output is recorded, waits until the client may have all of the answer, or until it is told why not. */
  async #released(recorded: boolean, send: () => Promise<void>): Promise<void> {
    const { line, output, recorder } = this.#deps;
    if (!recorded) return send();
    this.#awaited = true;
    await send();
    await line.settle();
    const failure = await recorder.settled();
    clearTimeout(this.#rest);
    this.#rest = undefined;
    this.#awaited = false;
    if (failure === undefined || line.over) return;
    recorder.begin(undefined);
    if (line.groupOpen) {
      if (!line.failed) await line.fail({ sync: false });
      this.#skipping = true;
    }
    output.write(encodeRefusal(failure, "ERROR", failure.code === "recording.full" ? hintFor(failure) : UNRECORDED_HINT));
    if (!line.groupOpen) await this.#endRefused();
  }

  async #authorize(executables: readonly Executable[], prospects: readonly Executable[], counterTo?: string): Promise<Verdict> {
    const { authorizer, line, output, tracer, names } = this.#deps;
    const traced = tracer.trace(executables);
    const prepared = tracer.trace(prospects);
    const resolved = names.resolve(traced instanceof Promise ? await traced : traced);
    const foreseen = names.resolve(prepared instanceof Promise ? await prepared : prepared);
    const all = resolved instanceof Promise ? await resolved : resolved;
    const others = foreseen instanceof Promise ? await foreseen : foreseen;
    const wait = {
      inTransaction: line.status !== "I",
      begin: (): AbortSignal => {
        this.#hold = new AbortController();
        if (line.over || this.#clientGone) this.#hold.abort("client_gone");
        return this.#hold.signal;
      },
      tell: (notice: Buffer): void => output.write(notice),
    };
    const asTheyCome = (list: readonly Executable[]): readonly Executable[] => list.map((one) => ({ ...one, facts: inTransaction(one.facts, line.status) }));
    const verdict = await authorizer.authorize(asTheyCome(all), asTheyCome(others), wait, counterTo, this.#deps.knowledge.suspect);
    this.#hold = undefined;
    return verdict;
  }

  /** The session ended while these were being recorded: they were never sent. */
  #abandon(commands: readonly RunningCommand[]): void {
    for (const command of commands) {
      command.skipped();
      this.#deps.authorizer.complete(command);
    }
  }

  /**
   * Until `durable` resolves nothing of the answer leaves; when it fails the answer is dropped and the client told. Resolves
   * when that is settled: at most one unit is ever guarded.
   */
  async #guard(durable: Promise<void>): Promise<void> {
    const { output } = this.#deps;
    output.shut();
    try {
      await durable;
      output.open();
    } catch (error) {
      output.discard();
      output.open();
      this.#withhold(SallyportError.from(error));
    }
  }

  #withhold(error: SallyportError): void {
    const { line, output } = this.#deps;
    if (line.over) return;
    output.write(encodeRefusal(error, "ERROR", "What ran only read; its result was not released."));
    if (line.groupOpen) this.#skipping = true;
    if (line.groupOpen || line.awaitsReady) line.withhold();
    else output.write(encodeReadyForQuery(line.status));
  }

  /** The target's part of the group fails too, as if it had refused by itself; the rest of the group is skipped. */
  async #refuseGroup(error: SallyportError, hint: string | undefined, sync: boolean): Promise<void> {
    const { line, output } = this.#deps;
    if (line.groupOpen) await line.fail({ sync: false });
    output.write(encodeRefusal(error, "ERROR", hint));
    this.#skipping = true;
    if (sync) await this.#endSkipping();
  }

  async #endSkipping(): Promise<void> {
    const { line } = this.#deps;
    this.#skipping = false;
    if (line.groupOpen && line.failed) return line.sync();
    return this.#endRefused();
  }

  /** ReadyForQuery after a refusal: of the target, where something of it may be undone, which has failed by then. */
  async #endRefused(): Promise<void> {
    const { line, output, recorder } = this.#deps;
    recorder.begin(undefined);
    if (line.groupOpen || line.status === "T") await line.fail({ sync: true });
    else if (!line.over) output.write(encodeReadyForQuery(line.status));
  }

  #oblige(obligations: Obligations, analyses: readonly (StatementAnalysis | undefined)[], copyOut: CopyOut | undefined): void {
    const { line, knowledge, tracer, calls } = this.#deps;
    for (const analysis of analyses) {
      tracer.runs(analysis?.facts);
      calls.runs(analysis);
    }
    if (!sameObligations(obligations, this.#obligations)) {
      this.#obligations = obligations;
      line.post({ $case: "obligations", value: wireObligations(obligations) });
    }
    this.#stateLineage(obligations, analyses);
    // The agent's question ends with a Sync, which would end the client's group, and commit what is in it.
    if (copyOut === undefined || line.groupOpen || obligations.maskColumns.length === 0) return;
    // In another encoding a delimiter's byte may be part of a character.
    const layout = /^(UTF8|SQL_ASCII)$/i.test(knowledge.clientEncoding) ? copyOut.layout : undefined;
    // Of one that nothing is said of, the agent masks every cell.
    const described = { query: copyOut.query, layout, withoutGenerated: copyOut.withoutGenerated ? true : undefined };
    if (DescribeCopy.encode(described).finish().length <= MAX_DESCRIBED_COPY_BYTES) line.post({ $case: "describeCopy", value: described });
  }

  #stateLineage(obligations: Obligations, analyses: readonly (StatementAnalysis | undefined)[]): void {
    if (analyses.length === 0) return;
    const lineage = resultLineage(analyses);
    // What changes definitions matters to other sessions, too.
    if (obligations.maskColumns.length === 0 && !lineage.changesDefinitions) return;
    if (sameLineage(lineage, this.#lineage) && !lineage.changesDefinitions) return;
    this.#lineage = lineage;
    this.#deps.line.post({ $case: "resultLineage", value: lineage });
  }
}

/** How long the rest of an answer that could not be recorded may take: short ones are over, and a long one must not run for nobody. */
const UNSEEN_REST_MS = 2_000;

/** Its transaction, if it is in one, fails. */
const UNRECORDED_HINT = "What it did outside of a transaction stands; its result was not released.";

/** With it the transaction that it is in. */
const UNRECORDED_COPY_HINT = "The COPY failed at the target, too: nothing of it stands.";

/** A query and a layout travel in one frame of the tunnel. */
export const MAX_DESCRIBED_COPY_BYTES = 64 * 1024;

const frameOf = (raw: Buffer): Frame => ({ type: raw[0] ?? 0, raw, payload: raw.subarray(FRAME_HEADER_BYTES) });

const endsPart = ({ type }: Frame): boolean => type === frontend.sync || type === frontend.flush;
