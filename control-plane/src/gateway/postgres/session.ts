import type { Socket } from "node:net";
import { SallyportError } from "@sallyport/proto/errors";
import type { Channel, ChannelHandlers, CloseReason, ControlBody } from "@sallyport/proto/tunnel/channel";
import { encodeErrorResponse, encodeReadyForQuery, type TransactionStatus } from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame, type Frame, FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { backend, frontend } from "@sallyport/proto/wire/postgres/message-types";
import { encodeRefusal } from "@sallyport/proto/wire/postgres/refusal";
import type { Logger } from "pino";
import type { CommandContext, ResourceView } from "../../application/ports.ts";
import type { Obligations, Principal } from "../../domain/decision.ts";
import type { SessionEndCause } from "../../domain/session/session.events.ts";
import { sameObligations } from "../../domain/obligations.ts";
import { BackendSkimmer } from "./backend-skimmer.ts";
import { ClientOutput } from "./client-output.ts";
import type { CopyOut, StatementAnalysis } from "./facts/analysis.ts";
import { CommandDesk, type Verdict } from "./command-desk.ts";
import type { Executable } from "./command-record.ts";
import { isAsciiSafe, judgeFunctionCall, judgeGroup, judgeQuery, type Portal, preparedNamesAfter, type Prepared, type Step, type TextReading, touchesPortals } from "./judge.ts";
import { INPUT_QUEUE_BYTES } from "./limits.ts";
import { NamedObjects } from "./named-objects.ts";
import { ReportCollector } from "./report-collector.ts";
import { RunningCommand } from "./running-command.ts";
import { TargetReplies } from "./target-replies.ts";
import { sizeOf, type Unit, UnitQueue } from "./units.ts";
import type { PostgresGateway } from "./gateway.ts";

export interface SessionSetup {
  readonly gateway: PostgresGateway;
  readonly sessionId: string;
  readonly socket: Socket;
  readonly principal: Principal;
  readonly resource: ResourceView;
  readonly desk: CommandDesk;
  readonly context: CommandContext;
  readonly log: Logger;
  readonly clientEncoding: string;
  /** Those that the agent opened the target with. */
  readonly obligations: Obligations;
  /** Told once, when nothing more will happen. */
  readonly ended: (cause: SessionEndCause, message: string, bytes: { readonly toTarget: number; readonly toClient: number }) => void;
}

/**
 * One client's session with one target: reads the client's messages, has them judged and recorded, forwards them, and
 * passes the target's answer on.
 *
 * P1. Units are handled one after the other. The next one is judged when the one before is answered and its record is
 *     durable (or it was refused), so that prepared statements, obligations and transaction status are known, not guessed.
 *     In a group that is still open the target is made to answer by a Flush.
 * P2. Nothing is forwarded that the desk has not let through; what is forwarded are the client's own bytes (I4, I12).
 * P3. A refusal is an error like the target's own: the transaction it stands in fails, at the target too, the rest of its
 *     group is skipped, ReadyForQuery ends it, and the connection goes on (I13).
 * P4. Everything that waits is bounded: the client's input by pausing its socket, the target's output by the tunnel's window,
 *     what we say ourselves by waiting for the client to read it.
 */
export class PostgresSession implements ChannelHandlers {
  readonly #setup: SessionSetup;
  readonly #channel: () => Channel;
  readonly #decoder: FrameDecoder;
  readonly #units = new UnitQueue();
  readonly #output: ClientOutput;
  readonly #skimmer = new BackendSkimmer();
  readonly #replies: TargetReplies;
  readonly #reports: ReportCollector;
  readonly #statements = new NamedObjects<Prepared>();
  readonly #portals = new NamedObjects<Portal>();
  #hold: AbortController | undefined;
  #status: TransactionStatus = "I";
  #clientEncoding: string;
  #reading: TextReading = { kind: "as_parsed" };
  #obligations: Obligations;
  /** Something of the current extended group was forwarded and its Sync was not. */
  #groupOpen = false;
  /** The group was refused: what the client still sends of it is dropped, as the target would. */
  #skipping = false;
  /** The answer of the current unit must not reach the client: its record could not be written. */
  #withheld = false;
  /** The target's next error is one that we provoked to make its transaction fail: the client has been told already. */
  #swallowError = false;
  /** Code that cannot be classified ran in this group: it may have changed how later text is read. */
  #suspect = false;
  #copying = false;
  #readyWaiter: (() => void) | undefined;
  #idleWaiter: (() => void) | undefined;
  #drainWaiter: (() => void) | undefined;
  readonly #forgotten: (readonly string[] | "all")[] = [];
  #bytesToTarget = 0;
  #inHandBytes = 0;
  #over = false;
  #running: Promise<void> = Promise.resolve();

  constructor(setup: SessionSetup, channel: () => Channel) {
    this.#setup = setup;
    this.#channel = channel;
    this.#clientEncoding = "UTF8";
    this.#parameter("client_encoding", setup.clientEncoding);
    this.#obligations = setup.obligations;
    this.#decoder = new FrameDecoder(setup.gateway.limits.messageBytes);
    this.#output = new ClientOutput(setup.socket, (bytes) => {
      if (!this.#over && bytes > 0) channel().consumed(bytes);
    });
    this.#reports = new ReportCollector((command) => setup.desk.complete(command));
    this.#replies = new TargetReplies({
      copyIn: () => {
        this.#copying = true;
        // The target has swallowed, or will swallow, a Sync that was sent along: the group goes on behind the data.
        if (!this.#replies.whole) this.#groupOpen = true;
        this.#readyWaiter?.();
        this.#idleWaiter?.();
      },
      ready: (status) => this.#ready(status),
      parameter: (name, value) => this.#parameter(name, value),
      ended: (command) => this.#reports.expect(command),
      finished: (command) => this.#reports.finish(command),
    });
  }

  /** The target's greeting, and from here on the client's commands. */
  start(greeting: Buffer, keyData: Buffer): void {
    const { socket } = this.#setup;
    // ReadyForQuery is the last message of a greeting; the key goes before it, as a server would send it.
    this.#skimmer.push(greeting, (message) => this.#replies.visit(message));
    const ready = greeting.length - encodeReadyForQuery("I").length;
    this.#output.write(Buffer.concat([greeting.subarray(0, ready), keyData, greeting.subarray(ready)]));
    socket.on("data", (chunk: Buffer) => this.#input(chunk));
    socket.on("end", () => this.#end("client_closed", "The client closed the connection.", false));
    socket.on("close", () => this.#end("client_lost", "The client's connection was lost.", false));
    socket.on("error", () => this.#end("client_lost", "The client's connection was lost.", false));
    this.#running = this.#run().catch((error: unknown) => this.#failed(error));
    if (socket.destroyed) this.#end("client_lost", "The client's connection was lost.", false);
    else socket.resume();
  }

  /** From outside: an administrator, an expiry, a shutdown. */
  end(cause: SessionEndCause, message: string): void {
    this.#end(cause, message, true);
  }

  /** A CancelRequest with this session's key. */
  cancel(): void {
    if (this.#hold !== undefined) this.#hold.abort("cancelled");
    else if (!this.#over) this.#channel().post({ $case: "cancel", value: {} });
  }

  /** Whether the client has taken nothing of its result since `before` (milliseconds since the epoch). */
  stalledSince(before: number): boolean {
    return this.#output.blockedSince !== 0 && this.#output.blockedSince < before;
  }

  data(bytes: Buffer): void {
    if (this.#over) return;
    try {
      this.#fromTarget(bytes);
    } catch (error) {
      this.#failed(error);
    }
  }

  control(body: ControlBody): void {
    if (body.$case === "report") this.#reports.add(body.value);
  }

  drained(): void {
    this.#drainWaiter?.();
  }

  closed(reason: CloseReason): void {
    if (reason.code === "agent.offline") this.#end("agent_lost", "The agent's link was lost.", true);
    else if (reason.code === "") this.#end("target_closed", "The target closed the connection.", true);
    else this.#end("target_closed", reason.message, true);
  }

  #input(chunk: Buffer): void {
    try {
      this.#units.push(this.#decoder.push(chunk));
      this.#account();
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (this.#units.waitingBytes > INPUT_QUEUE_BYTES) this.#setup.socket.pause();
  }

  #account(): void {
    this.#setup.gateway.budget.hold(this, this.#over ? 0 : this.#decoder.pending + this.#units.waitingBytes + this.#inHandBytes);
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      await this.#units.available();
      const unit = this.#units.shift();
      if (unit === undefined || this.#over) continue;
      this.#inHandBytes = sizeOf(unit);
      if (this.#setup.socket.isPaused() && this.#units.waitingBytes <= INPUT_QUEUE_BYTES) this.#setup.socket.resume();
      await this.#handle(unit);
      await this.#output.writable();
      this.#inHandBytes = 0;
      this.#account();
    }
  }

  async #handle(unit: Unit): Promise<void> {
    if (this.#copying && unit.kind !== "copy" && unit.kind !== "terminate" && !isBareSync(unit)) {
      throw new SallyportError("wire.malformed", "A command came in the middle of COPY data.");
    }
    switch (unit.kind) {
      case "terminate":
        this.#end("client_closed", "The client closed the connection.", false);
        return;
      case "copy":
        return this.#copy(unit.frame, unit.last);
      case "query":
      case "function_call":
        await this.#settleGroup();
        // In a group that has failed the target ignores everything up to Sync.
        if (this.#replies.failed || this.#over) return;
        this.#groupOpen = false;
        if (this.#skipping) return;
        if (unit.kind === "function_call") return this.#whole(unit.frame, judgeFunctionCall(unit.frame), undefined);
        return this.#query(unit.frame);
      case "extended":
        return this.#extended(unit);
    }
  }

  async #query(frame: Frame): Promise<void> {
    const { executable, analysis } = await judgeQuery(frame, this.#setup.gateway.analyser, this.#textReading());
    return this.#whole(frame, executable, analysis);
  }

  async #whole(frame: Frame, executable: Executable, analysis: StatementAnalysis | undefined): Promise<void> {
    const verdict = await this.#judge([executable], []);
    if (verdict.kind === "refused") {
      this.#output.write(encodeRefusal(verdict.error, "ERROR", verdict.hint));
      return this.#endRefused();
    }
    if (this.#over) return this.#abandon(verdict.commands);
    await this.#oblige(verdict.obligations, analysis?.copyOut);
    this.#ran(analysis);
    const ready = this.#nextReady();
    const [command] = verdict.commands;
    if (command !== undefined) this.#replies.expect({ kind: "whole", command });
    const settled = this.#guard(verdict.durable);
    await this.#forward([frame.raw]);
    await ready;
    await settled;
  }

  async #extended({ frames, end }: Extract<Unit, { kind: "extended" }>): Promise<void> {
    const sync = end === "sync";
    if (!(this.#copying || this.#skipping)) await this.#settleGroup();
    if (this.#over) return;
    if (this.#skipping || this.#replies.failed) return sync ? this.#endSkipping() : undefined;
    const names = { statements: this.#statements, portals: this.#portals };
    const steps = await judgeGroup(frames, names, this.#setup.gateway.analyser, this.#textReading());
    const executables = steps.flatMap((step) => ("executable" in step && step.executable !== undefined ? [step.executable] : []));
    const prospects = steps.flatMap((step) => (step.kind === "parse" ? [step.prospect] : []));
    const nothing = executables.length === 0 && prospects.length === 0;
    const verdict: Verdict = nothing ? { kind: "passed", commands: [], obligations: this.#obligations, durable: undefined } : await this.#judge(executables, prospects);
    if (verdict.kind === "refused") return this.#refuseGroup(verdict.error, verdict.hint, sync);
    if (this.#over) return this.#abandon(verdict.commands);
    if (executables.length > 0) await this.#oblige(verdict.obligations, undefined);
    const ready = sync ? this.#nextReady() : undefined;
    this.#expect(steps, verdict.commands);
    const settled = this.#guard(verdict.durable);
    this.#groupOpen = !sync;
    await this.#forward(frames.map(({ raw }) => raw));
    await ready;
    await settled;
  }

  async #judge(executables: readonly Executable[], prospects: readonly Executable[]): Promise<Verdict> {
    const wait = {
      begin: (): AbortSignal => {
        this.#hold = new AbortController();
        if (this.#over) this.#hold.abort("client_gone");
        return this.#hold.signal;
      },
      tell: (notice: Buffer): void => this.#output.write(notice),
    };
    const verdict = await this.#setup.desk.judge(executables, prospects, wait);
    this.#hold = undefined;
    return verdict;
  }

  /** The session ended while these were being recorded: they were never sent. */
  #abandon(commands: readonly RunningCommand[]): void {
    for (const command of commands) {
      command.skipped();
      this.#setup.desk.complete(command);
    }
  }

  /**
   * Until `durable` resolves nothing of the answer leaves; when it fails the answer is dropped and the client told. Resolves
   * when that is settled: at most one unit is ever guarded.
   */
  async #guard(durable: Promise<void> | undefined): Promise<void> {
    if (durable === undefined) return;
    this.#output.shut();
    try {
      await durable;
      this.#output.open();
    } catch (error) {
      this.#withhold(SallyportError.from(error));
    }
  }

  #withhold(error: SallyportError): void {
    this.#output.discard();
    this.#output.open();
    if (this.#over) return;
    this.#output.write(encodeRefusal(error, "ERROR", "What ran only read; its result was not released."));
    if (this.#groupOpen) {
      this.#withheld = true;
      this.#skipping = true;
    } else if (this.#readyWaiter === undefined) {
      this.#output.write(encodeReadyForQuery(this.#status));
    } else {
      this.#withheld = true;
    }
  }

  #expect(steps: readonly Step[], commands: readonly RunningCommand[]): void {
    const running = commands.values();
    const next = (): RunningCommand | undefined => running.next().value;
    for (const step of steps) {
      switch (step.kind) {
        case "parse":
          this.#replies.expect({ kind: "parse", confirmed: () => this.#statements.set(step.name, step.prepared, step.frame.raw.length + KEPT_ANALYSIS_BYTES) });
          break;
        case "bind":
          this.#replies.expect({ kind: "bind", confirmed: () => this.#portals.set(step.name, step.portal, step.frame.raw.length), command: step.executable && next() });
          break;
        case "execute": {
          const command = next();
          if (command !== undefined) this.#replies.expect({ kind: "execute", command });
          break;
        }
        case "close":
          this.#replies.expect({ kind: "close", confirmed: () => (step.target === "statement" ? this.#statements : this.#portals).delete(step.name) });
          break;
        case "other":
          if (step.frame.type === frontend.describe) this.#replies.expect({ kind: "describe" });
          else if (step.frame.type === frontend.sync) this.#replies.expect({ kind: "sync" });
          break;
      }
    }
    for (const step of steps) if (step.kind === "execute") this.#ran(step.analysis);
  }

  /** What this changes for the commands after it, as far as it can be known. */
  #ran(analysis: StatementAnalysis | undefined): void {
    this.#forget(preparedNamesAfter(analysis));
    if (analysis === undefined || touchesPortals(analysis)) this.#portals.clear();
    if (analysis === undefined || analysis.facts.riskClass === "unclassified") this.#suspect = true;
  }

  /** Makes the target answer what it has of an open group, so that nothing is judged on what is still pending. */
  async #settleGroup(): Promise<void> {
    if (!this.#groupOpen || this.#copying || this.#over) return;
    if (!this.#replies.idle || !this.#skimmer.aligned) await this.#forward([encodeFrame(frontend.flush, Buffer.alloc(0))]);
    await this.#answered();
  }

  /** The target's part of the group fails too, as if it had refused by itself; the rest of the group is skipped. */
  async #refuseGroup(error: SallyportError, hint: string | undefined, sync: boolean): Promise<void> {
    if (this.#groupOpen) await this.#provokeError(frontend.flush);
    this.#output.write(encodeRefusal(error, "ERROR", hint));
    this.#skipping = true;
    if (sync) await this.#endSkipping();
  }

  async #endSkipping(): Promise<void> {
    this.#skipping = false;
    if (!this.#groupOpen) return this.#endRefused();
    this.#groupOpen = false;
    const ready = this.#nextReady();
    this.#replies.expect({ kind: "sync" });
    await this.#forward([encodeFrame(frontend.sync, Buffer.alloc(0))]);
    await ready;
  }

  /** ReadyForQuery after a refusal: in a transaction, of the target's own, which has failed by then. */
  async #endRefused(): Promise<void> {
    if (this.#status === "T" && !this.#over) await this.#provokeError(frontend.sync);
    else this.#output.write(encodeReadyForQuery(this.#status));
  }

  /** A Parse that cannot be parsed: it executes nothing and fails the transaction. Its own error is not the client's. */
  async #provokeError(end: typeof frontend.sync | typeof frontend.flush): Promise<void> {
    const sync = end === frontend.sync;
    const done = sync ? this.#nextReady() : undefined;
    this.#swallowError = true;
    this.#replies.expect({ kind: "parse", confirmed: () => undefined });
    if (sync) this.#replies.expect({ kind: "sync" });
    const text = Buffer.concat([Buffer.from(`${PROVOKED_NAME}\0${PROVOKED_TEXT}\0`), Buffer.alloc(2)]);
    await this.#forward([encodeFrame(frontend.parse, text), encodeFrame(end, Buffer.alloc(0))]);
    await (done ?? this.#answered());
  }

  /** COPY data goes to a target that asked for it; otherwise it is dropped, as the target would. */
  async #copy(frame: Frame, last: boolean): Promise<void> {
    // Data may come right behind the command, before the target has asked for it.
    if (!this.#copying) await this.#settleGroup();
    if (!this.#copying) return;
    if (last) this.#copying = false;
    const ready = last && this.#replies.whole ? this.#nextReady() : undefined;
    await this.#forward([frame.raw]);
    await ready;
  }

  async #oblige(obligations: Obligations, copyOut: CopyOut | undefined): Promise<void> {
    if (!sameObligations(obligations, this.#obligations)) {
      this.#obligations = obligations;
      this.#channel().post({ $case: "obligations", value: { maskColumns: [...obligations.maskColumns], detectors: [...obligations.detectors], rowCap: BigInt(obligations.rowCap) } });
    }
    if (copyOut === undefined || obligations.maskColumns.length === 0) return;
    // In another encoding a delimiter's byte may be part of a character.
    const layout = /^(UTF8|SQL_ASCII)$/i.test(this.#clientEncoding) ? copyOut.layout : undefined;
    this.#channel().post({ $case: "describeCopy", value: { query: copyOut.query, layout } });
  }

  /** Now, and again once the group is answered: a Parse of the same group may be confirmed in between. */
  #forget(names: readonly string[] | "all"): void {
    if (names.length === 0) return;
    this.#forgotten.push(names);
    this.#drop(names);
  }

  #drop(names: readonly string[] | "all"): void {
    if (names === "all") this.#statements.clear();
    else for (const name of names) this.#statements.delete(name);
  }

  async #forward(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) this.#bytesToTarget += piece.length;
    const channel = this.#channel();
    let room = true;
    for (const piece of pieces.length > 1 ? [Buffer.concat(pieces)] : pieces) room = channel.send(piece);
    if (room || this.#over) return;
    await new Promise<void>((resolve) => {
      this.#drainWaiter = resolve;
    });
    this.#drainWaiter = undefined;
  }

  #fromTarget(bytes: Buffer): void {
    const out: Buffer[] = [];
    let from = 0;
    const passed = this.#skimmer.push(bytes, (message) => {
      const withheld = this.#withheld;
      this.#replies.visit(message);
      // ReadyForQuery ends what is withheld; it is itself the client's to see.
      if (withheld && !this.#withheld) from = message.start;
      if (message.type === backend.errorResponse && this.#swallowError) {
        this.#swallowError = false;
        out.push(message.buffer.subarray(from, message.start));
        from = message.end;
      }
    });
    if (!this.#withheld) out.push(passed.subarray(from));
    const [only, more] = out;
    this.#output.write(more === undefined ? (only ?? Buffer.alloc(0)) : Buffer.concat(out), bytes.length);
    if (this.#idleWaiter !== undefined && this.#replies.idle && this.#skimmer.aligned) this.#idleWaiter();
  }

  #ready(status: TransactionStatus): void {
    this.#status = status;
    this.#withheld = false;
    this.#copying = false;
    this.#swallowError = false;
    this.#suspect = false;
    if (status === "I") this.#portals.clear();
    for (const names of this.#forgotten.splice(0)) this.#drop(names);
    this.#readyWaiter?.();
  }

  /** Resolves at the next ReadyForQuery, or when the target asks for COPY data, or at the session's end. */
  #nextReady(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#readyWaiter = () => {
        this.#readyWaiter = undefined;
        resolve();
      };
    });
  }

  /** Resolves when nothing is owed, or the target asks for COPY data, or at the session's end. */
  async #answered(): Promise<void> {
    if (this.#over || this.#copying || (this.#replies.idle && this.#skimmer.aligned)) return;
    await new Promise<void>((resolve) => {
      this.#idleWaiter = resolve;
    });
    this.#idleWaiter = undefined;
  }

  #textReading(): TextReading {
    return this.#suspect ? { kind: "plain", why: "Code that cannot be classified ran just before, and may have changed how text is read." } : this.#reading;
  }

  #parameter(name: string, value: string): void {
    if (name === "client_encoding") {
      this.#clientEncoding = value;
      if (!isAsciiSafe(value)) this.#reading = { kind: "plain", why: `Text in the client encoding ${value} cannot be parsed safely.` };
    } else if (name === "standard_conforming_strings" && value !== "on") {
      this.#reading = { kind: "plain", why: "With standard_conforming_strings off, backslashes cannot be parsed safely." };
    }
  }

  #failed(error: unknown): void {
    const known = SallyportError.from(error);
    if (known.code === "internal") this.#setup.log.error({ err: error }, "session failed");
    this.#end(known.code === "internal" ? "internal_error" : "protocol_violation", known.message, true, known);
  }

  #end(cause: SessionEndCause, message: string, tell: boolean, error?: SallyportError): void {
    if (this.#over) return;
    this.#over = true;
    const { socket, ended, gateway } = this.#setup;
    this.#account();
    this.#hold?.abort("client_gone");
    this.#channel().close({ code: "", message: "" });
    this.#replies.lost();
    this.#reports.flush();
    if (tell && socket.writable && !this.#replies.fatal) {
      const refusal = error === undefined ? encodeErrorResponse({ severity: "FATAL", sqlstate: "57P01", message, detail: `code: session.ended; cause: ${cause}` }) : encodeRefusal(error, "FATAL");
      socket.write(refusal);
    }
    socket.end();
    // A client that reads nothing must not keep the socket for ever.
    setTimeout(() => socket.destroy(), CLOSE_GRACE_MILLIS).unref();
    for (const waiter of [this.#readyWaiter, this.#idleWaiter, this.#drainWaiter]) waiter?.();
    this.#units.wake();
    // The end is the last thing recorded: the unit in hand has its own to record first.
    void this.#running.finally(() => ended(cause, message, { toTarget: this.#bytesToTarget, toClient: this.#output.bytesSent }));
  }
}

const isBareSync = (unit: Unit): boolean => unit.kind === "extended" && unit.frames.every(({ type }) => type === frontend.sync || type === frontend.flush);

/** What is kept of a prepared statement beside its text. */
const KEPT_ANALYSIS_BYTES = 2_048;

/** No client's statement is called so; what a log of the target shows says where it came from. */
const PROVOKED_NAME = "sallyport_refused";
const PROVOKED_TEXT = "sallyport refused the client's last command, so this transaction fails";

/** For the last error to reach a client that is slow to read. */
const CLOSE_GRACE_MILLIS = 2_000;
