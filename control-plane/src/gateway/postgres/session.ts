import type { Socket } from "node:net";
import { SallyportError } from "@sallyport/proto/errors";
import type { Channel, ChannelHandlers, CloseReason, ControlBody } from "@sallyport/proto/tunnel/channel";
import { encodeErrorResponse, encodeReadyForQuery, type TransactionStatus } from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame, type Frame, FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { encodeRefusal } from "@sallyport/proto/wire/postgres/refusal";
import type { Logger } from "pino";
import type { CommandContext, ResourceView } from "../../application/ports.ts";
import type { Obligations, Principal } from "../../domain/decision.ts";
import type { SessionEndCause } from "../../domain/session/session.events.ts";
import { sameObligations } from "../../domain/obligations-equal.ts";
import { BackendSkimmer } from "./backend-skimmer.ts";
import { ClientOutput } from "./client-output.ts";
import type { CopyOut } from "./facts/analysis.ts";
import { CommandDesk, type Verdict } from "./command-desk.ts";
import type { Executable } from "./command-record.ts";
import { judgeFunctionCall, judgeGroup, judgeQuery, type Portal, preparedNamesAfter, type Prepared, type Step } from "./judge.ts";
import { INPUT_QUEUE_BYTES } from "./limits.ts";
import { NamedObjects } from "./named-objects.ts";
import { ReportCollector } from "./report-collector.ts";
import { RunningCommand } from "./running-command.ts";
import { TargetReplies } from "./target-replies.ts";
import { type Unit, UnitQueue } from "./units.ts";
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
 * P1. Units are handled one after the other. A group that ended in Sync (or a simple query) is answered in full before the
 *     next one is judged, so that prepared statements, obligations and transaction status are known, not guessed.
 * P2. Nothing is forwarded that the desk has not let through; what is forwarded are the client's own bytes (I4, I12).
 * P3. A refusal ends in ReadyForQuery like any error of the target's: the connection goes on (I13).
 * P4. Everything that waits is bounded: the client's input by pausing its socket, the target's output by the tunnel's window.
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
  #standardConformingStrings = true;
  #obligations: Obligations;
  /** Something of the current extended group was forwarded and its Sync was not. */
  #groupOpen = false;
  /** The group was refused: what the client still sends of it is dropped, as the target would. */
  #skipping = false;
  /** The answer of the current group must not reach the client: its record could not be written. */
  #withheld = false;
  #copying = false;
  #readyWaiter: (() => void) | undefined;
  #idleWaiter: (() => void) | undefined;
  #drainWaiter: (() => void) | undefined;
  readonly #forgotten: (readonly string[] | "all")[] = [];
  #bytesToTarget = 0;
  #over = false;

  constructor(setup: SessionSetup, channel: () => Channel) {
    this.#setup = setup;
    this.#channel = channel;
    this.#clientEncoding = setup.clientEncoding;
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
    void this.#run().catch((error: unknown) => this.#failed(error));
    socket.resume();
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
      this.#setup.gateway.budget.hold(this, this.#decoder.pending);
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (this.#units.waitingBytes > INPUT_QUEUE_BYTES) this.#setup.socket.pause();
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      await this.#units.available();
      const unit = this.#units.shift();
      if (this.#setup.socket.isPaused() && this.#units.waitingBytes <= INPUT_QUEUE_BYTES) this.#setup.socket.resume();
      if (unit !== undefined && !this.#over) await this.#handle(unit);
    }
  }

  async #handle(unit: Unit): Promise<void> {
    if (this.#copying && (unit.kind === "query" || unit.kind === "function_call")) {
      throw new SallyportError("wire.malformed", "A command came in the middle of COPY data.");
    }
    switch (unit.kind) {
      case "terminate":
        this.#end("client_closed", "The client closed the connection.", false);
        return;
      case "copy":
        return this.#copy(unit.frame, unit.last);
      case "query": {
        this.#skipping = false;
        await this.#closeOpenGroup();
        const { executable, analysis } = await judgeQuery(unit.frame, this.#setup.gateway.analyser, this.#reading());
        const names = preparedNamesAfter(analysis);
        return this.#whole(unit.frame, executable, names, analysis.copyOut);
      }
      case "function_call":
        this.#skipping = false;
        return this.#whole(unit.frame, judgeFunctionCall(unit.frame), "all", undefined);
      case "extended":
        return this.#extended(unit);
    }
  }

  async #whole(frame: Frame, executable: Executable, names: readonly string[] | "all", copyOut: CopyOut | undefined): Promise<void> {
    const verdict = await this.#judge([executable]);
    if (verdict.kind === "refused") {
      this.#output.write(Buffer.concat([encodeRefusal(verdict.error, "ERROR", verdict.hint), encodeReadyForQuery(this.#status)]));
      return;
    }
    await this.#oblige(verdict.obligations, copyOut);
    this.#forget(names);
    const ready = this.#nextReady();
    const [command] = verdict.commands;
    if (command !== undefined) this.#replies.expect({ kind: "whole", command });
    this.#guard(verdict.durable);
    await this.#forward([frame.raw]);
    await ready;
  }

  async #extended({ frames, end }: Extract<Unit, { kind: "extended" }>): Promise<void> {
    const sync = end === "sync";
    if (this.#skipping) return sync ? this.#endSkipping() : undefined;
    const names = { statements: this.#statements, portals: this.#portals };
    const steps = await judgeGroup(frames, names, this.#setup.gateway.analyser, this.#reading());
    const executables = steps.flatMap((step) => ("executable" in step && step.executable !== undefined ? [step.executable] : []));
    const verdict: Verdict = executables.length === 0 ? { kind: "passed", commands: [], obligations: this.#obligations, durable: undefined } : await this.#judge(executables);
    if (verdict.kind === "refused") return this.#refuseGroup(verdict.error, verdict.hint, sync);
    await this.#oblige(verdict.obligations, undefined);
    const ready = sync ? this.#nextReady() : undefined;
    this.#expect(steps, verdict.commands);
    this.#guard(verdict.durable);
    this.#groupOpen = !sync;
    await this.#forward(frames.map(({ raw }) => raw));
    await ready;
  }

  async #judge(executables: readonly Executable[]): Promise<Verdict> {
    const wait = {
      begin: (): AbortSignal => {
        this.#hold = new AbortController();
        return this.#hold.signal;
      },
      tell: (notice: Buffer): void => this.#output.write(notice),
    };
    const verdict = await this.#setup.desk.judge(executables, wait);
    this.#hold = undefined;
    return verdict;
  }

  /** Until `durable` resolves nothing of the answer leaves; when it fails the answer is dropped and the client told. */
  #guard(durable: Promise<void> | undefined): void {
    if (durable === undefined) return;
    this.#output.shut();
    durable.then(
      () => this.#output.open(),
      (error: unknown) => this.#withhold(SallyportError.from(error)),
    );
  }

  #withhold(error: SallyportError): void {
    if (this.#over) return;
    this.#output.discard();
    this.#output.open();
    this.#output.write(encodeRefusal(error, "ERROR", "What ran only read; its result was not released."));
    if (this.#readyWaiter === undefined && !this.#groupOpen) {
      this.#output.write(encodeReadyForQuery(this.#status));
      return;
    }
    this.#withheld = true;
    if (this.#groupOpen) this.#skipping = true;
  }

  #expect(steps: readonly Step[], commands: readonly RunningCommand[]): void {
    const running = commands.values();
    const next = (): RunningCommand | undefined => running.next().value;
    for (const step of steps) {
      switch (step.kind) {
        case "parse":
          this.#replies.expect({ kind: "parse", confirmed: () => this.#statements.set(step.name, step.prepared) });
          break;
        case "bind":
          this.#replies.expect({ kind: "bind", confirmed: () => this.#portals.set(step.name, step.portal), command: step.executable && next() });
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
    for (const step of steps) if (step.kind === "execute") this.#forget(step.names);
  }

  /** The target answers what it has first, then the client hears of the refusal, in the order of its requests. */
  async #refuseGroup(error: SallyportError, hint: string | undefined, sync: boolean): Promise<void> {
    if (this.#groupOpen) {
      await this.#forward([encodeFrame(frontend.flush, Buffer.alloc(0))]);
      await this.#answered();
    }
    this.#output.write(encodeRefusal(error, "ERROR", hint));
    this.#skipping = true;
    if (sync) await this.#endSkipping();
  }

  async #endSkipping(): Promise<void> {
    this.#skipping = false;
    if (!this.#groupOpen) {
      this.#output.write(encodeReadyForQuery(this.#status));
      return;
    }
    await this.#sync();
  }

  /** A client may send a simple query without the Sync of its extended group; the target takes it as an end too. */
  async #closeOpenGroup(): Promise<void> {
    if (!this.#groupOpen) return;
    await this.#forward([encodeFrame(frontend.flush, Buffer.alloc(0))]);
    await this.#answered();
    this.#groupOpen = false;
  }

  async #sync(): Promise<void> {
    this.#groupOpen = false;
    const ready = this.#nextReady();
    this.#replies.expect({ kind: "sync" });
    await this.#forward([encodeFrame(frontend.sync, Buffer.alloc(0))]);
    await ready;
  }

  /** COPY data goes to a target that asked for it; otherwise it is dropped, as the target would. */
  async #copy(frame: Frame, last: boolean): Promise<void> {
    if (!this.#copying) return;
    if (last) this.#copying = false;
    const ready = last && this.#replies.whole ? this.#nextReady() : undefined;
    await this.#forward([frame.raw]);
    await ready;
  }

  async #oblige(obligations: Obligations, copyOut: CopyOut | undefined): Promise<void> {
    if (!sameObligations(obligations, this.#obligations)) {
      if (this.#groupOpen) {
        await this.#forward([encodeFrame(frontend.flush, Buffer.alloc(0))]);
        await this.#answered();
      }
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
    let keepFrom = 0;
    const out = this.#skimmer.push(bytes, (message) => {
      const dropping = this.#withheld;
      this.#replies.visit(message);
      // ReadyForQuery ends what is withheld; it is itself the client's to see.
      if (dropping && !this.#withheld) keepFrom = message.start;
    });
    const passed = this.#withheld ? out.subarray(0, 0) : out.subarray(keepFrom);
    this.#output.write(passed, bytes.length);
    if (this.#idleWaiter !== undefined && this.#replies.idle && this.#skimmer.aligned) this.#idleWaiter();
  }

  #ready(status: TransactionStatus): void {
    this.#status = status;
    this.#withheld = false;
    this.#copying = false;
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

  async #answered(): Promise<void> {
    if (this.#replies.idle && this.#skimmer.aligned) return;
    await new Promise<void>((resolve) => {
      this.#idleWaiter = resolve;
    });
    this.#idleWaiter = undefined;
  }

  #reading(): { readonly clientEncoding: string; readonly standardConformingStrings: boolean } {
    return { clientEncoding: this.#clientEncoding, standardConformingStrings: this.#standardConformingStrings };
  }

  #parameter(name: string, value: string): void {
    if (name === "client_encoding") this.#clientEncoding = value;
    else if (name === "standard_conforming_strings") this.#standardConformingStrings = value === "on";
  }

  #failed(error: unknown): void {
    const known = SallyportError.from(error);
    if (known.code === "internal") this.#setup.log.error({ err: error }, "session failed");
    const violation = known.code === "wire.malformed" || known.code === "wire.too_large";
    this.#end(violation ? "protocol_violation" : "internal_error", known.message, true, known);
  }

  #end(cause: SessionEndCause, message: string, tell: boolean, error?: SallyportError): void {
    if (this.#over) return;
    this.#over = true;
    const { socket, ended, gateway } = this.#setup;
    gateway.budget.hold(this, 0);
    this.#hold?.abort("client_gone");
    this.#channel().close({ code: "", message: "" });
    this.#replies.lost();
    this.#reports.flush();
    if (tell && socket.writable) {
      const refusal = error === undefined ? encodeErrorResponse({ severity: "FATAL", sqlstate: "57P01", message, detail: `code: session.ended; cause: ${cause}` }) : encodeRefusal(error, "FATAL");
      socket.write(refusal);
    }
    socket.end();
    // A client that reads nothing must not keep the socket for ever.
    setTimeout(() => socket.destroy(), CLOSE_GRACE_MILLIS).unref();
    for (const waiter of [this.#readyWaiter, this.#idleWaiter, this.#drainWaiter]) waiter?.();
    this.#units.wake();
    ended(cause, message, { toTarget: this.#bytesToTarget, toClient: this.#output.bytesSent });
  }
}

/** For the last error to reach a client that is slow to read. */
const CLOSE_GRACE_MILLIS = 2_000;
