import type { Socket } from "node:net";
import { SallyportError } from "@sallyport/proto/errors";
import type { Channel, ChannelHandlers, CloseReason, ControlBody } from "@sallyport/proto/tunnel/channel";
import { encodeErrorResponse, encodeReadyForQuery } from "@sallyport/proto/wire/postgres/backend";
import { FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { encodeRefusal } from "@sallyport/proto/wire/postgres/refusal";
import type { Logger } from "pino";
import type { Obligations } from "../../domain/decision.ts";
import type { SessionEndCause } from "../../domain/session/session.events.ts";
import { nextStep } from "./next-step.ts";
import { ClientOutput } from "./client-output.ts";
import { CatalogueClient } from "./catalogue-client.ts";
import { FieldCalls } from "./field-calls.ts";
import { ColumnTracer } from "./column-tracer.ts";
import type { CommandAuthorizer } from "./command-authorizer.ts";
import type { PostgresGateway } from "./gateway.ts";
import { INPUT_QUEUE_BYTES } from "./limits.ts";
import { NameResolver } from "./name-resolver.ts";
import { InputRecorder } from "./recording/input-recorder.ts";
import { OutputRecorder } from "./recording/output-recorder.ts";
import type { RecordingWriter } from "./recording/recording-writer.ts";
import { SessionKnowledge } from "./session-knowledge.ts";
import { TargetLine } from "./target-line.ts";
import { UnitHandler } from "./unit-handler.ts";
import { sizeOf, UnitQueue } from "./units.ts";

export interface SessionSetup {
  readonly gateway: PostgresGateway;
  readonly socket: Socket;
  readonly authorizer: CommandAuthorizer;
  readonly recording: RecordingWriter;
  readonly log: Logger;
  readonly clientEncoding: string;
  /** What the client asked for when it connected. */
  readonly searchPath: string | undefined;
  readonly resource: string;
  /** The agent tells what columns are made of. */
  readonly traces: boolean;
  /** It tells which functions `alias.name` may call. */
  readonly listsRowFunctions: boolean;
  /** Those that the agent opened the target with. */
  readonly obligations: Obligations;
  /** Told once, when nothing more will happen. */
  readonly ended: (cause: SessionEndCause, message: string, bytes: { readonly toTarget: number; readonly toClient: number }) => void;
}

/**
 * One client's session with one target: reads the client's messages, has them handled one unit after the other, and passes
 * the target's answers on.
 *
 * S1. Everything that waits is bounded: the client's input by pausing its socket, the target's output by the tunnel's window,
 *     what we say ourselves by waiting for the client to read it.
 * S2. The end comes once, whoever brings it about, and is told when the unit in hand has left its record.
 */
export class PostgresSession implements ChannelHandlers {
  readonly #setup: SessionSetup;
  readonly #channel: () => Channel;
  readonly #decoder: FrameDecoder;
  readonly #units = new UnitQueue();
  readonly #output: ClientOutput;
  readonly #recorder: OutputRecorder;
  readonly #inputRecorder: InputRecorder;
  readonly #line: TargetLine;
  readonly #handler: UnitHandler;
  readonly #catalogueClient: CatalogueClient;
  readonly #tracer: ColumnTracer;
  readonly #calls: FieldCalls;
  #inHandBytes = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(setup: SessionSetup, channel: () => Channel) {
    const { gateway, socket, authorizer, recording, obligations } = setup;
    this.#setup = setup;
    this.#channel = channel;
    this.#decoder = new FrameDecoder(gateway.limits.messageBytes);
    const output = new ClientOutput(socket, (bytes) => {
      if (!this.#line.over && bytes > 0) channel().consumed(bytes);
    });
    const knowledge = new SessionKnowledge(setup.clientEncoding, () => this.#settled(), setup.searchPath);
    const recorder = new OutputRecorder({
      output,
      writer: recording,
      chunkBytes: gateway.limits.outputChunkBytes,
      failed: (error) => this.#handler.unrecorded(error),
    });
    const line = new TargetLine({ channel, recorder, knowledge, complete: (command) => authorizer.complete(command) });
    const input = new InputRecorder({ writer: recording, send: (bytes, last) => line.copy(bytes, last) });
    this.#output = output;
    this.#recorder = recorder;
    this.#inputRecorder = input;
    this.#line = line;
    this.#catalogueClient = new CatalogueClient((body) => line.post(body));
    this.#tracer = new ColumnTracer({
      policies: gateway.deps.policies,
      catalogue: gateway.columnsOf(setup.resource),
      catalogueClient: this.#catalogueClient,
      answers: setup.traces,
    });
    this.#calls = new FieldCalls({
      analyser: gateway.analyser,
      functions: gateway.rowFunctionsOf(setup.resource),
      ask: this.#catalogueClient.askRowFunctions,
      answers: setup.listsRowFunctions,
    });
    const names = new NameResolver({
      policies: gateway.deps.policies,
      path: knowledge.searchPath,
      userSchemas: gateway.userSchemasOf(setup.resource),
      catalogueClient: this.#catalogueClient,
      answers: setup.traces,
    });
    this.#handler = new UnitHandler({
      authorizer,
      analyser: gateway.analyser,
      calls: this.#calls,
      line,
      output,
      knowledge,
      tracer: this.#tracer,
      names,
      recorder,
      input,
      lost: (error) => this.#end("ledger_lost", error.message, recorder.whole, error),
      obligations,
    });
  }

  /** No transaction is open any more. */
  #settled(): void {
    this.#tracer.settled();
    this.#calls.settled();
  }

  /** The target's greeting, and from here on the client's commands. */
  start(greeting: Buffer, keyData: Buffer): void {
    const { socket } = this.#setup;
    this.#line.greeted(greeting);
    // ReadyForQuery is the last message of a greeting; the key goes before it, as a server would send it.
    const ready = greeting.length - encodeReadyForQuery("I").length;
    this.#output.write(Buffer.concat([greeting.subarray(0, ready), keyData, greeting.subarray(ready)]));
    // Until now a client that hung up was gone; from here on it may still read.
    socket.allowHalfOpen = true;
    socket.on("data", (chunk: Buffer) => this.#input(chunk));
    socket.on("end", () => {
      // What it sent before runs, as at the target itself, and its answer may still be read.
      this.#handler.hungUp();
      this.#units.end();
      // But nobody may be there any more, and a query must not go on for hours for nobody.
      setTimeout(() => this.#end("client_lost", "The client hung up.", false), HANG_UP_GRACE_MILLIS).unref();
    });
    socket.on("close", () => this.#end("client_lost", "The client's connection was lost.", false));
    socket.on("error", () => this.#end("client_lost", "The client's connection was lost.", false));
    this.#running = this.#run().catch((error: unknown) => this.#failed(error));
    if (socket.destroyed) this.#end("client_lost", "The client's connection was lost.", false);
    else socket.resume();
  }

  /** From outside: an administrator, an expiry, a shutdown. `error` is what the client hears, where it is more than that the session ended. */
  end(cause: SessionEndCause, message: string, error?: SallyportError): void {
    this.#end(cause, message, true, error);
  }

  /** A CancelRequest with this session's key. */
  cancel(): void {
    if (!this.#handler.withdraw("cancelled")) this.#line.post({ $case: "cancel", value: {} });
  }

  /** Whether the client has taken nothing of its result since `before` (milliseconds since the epoch). */
  stalledSince(before: number): boolean {
    return this.#output.blockedSince !== 0 && this.#output.blockedSince < before;
  }

  data(bytes: Buffer): void {
    try {
      this.#line.received(bytes);
    } catch (error) {
      this.#failed(error);
    }
  }

  control(body: ControlBody): void {
    if (body.$case === "report") this.#line.report(body.value);
    if (body.$case === "traced") this.#catalogueClient.answered(body.value);
  }

  drained(): void {
    this.#line.drained();
  }

  closed(reason: CloseReason): void {
    if (reason.code === "agent.offline") this.#end("agent_lost", "The agent's link was lost.", true);
    else if (reason.code === "") this.#end("target_closed", "The target closed the connection.", true);
    else if (reason.code === "command.timeout" || reason.code === "session.read_only")
      this.#end("target_closed", reason.message, true, new SallyportError(reason.code, reason.message));
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
    this.#setup.gateway.budget.hold(this, this.#line.over ? 0 : this.#decoder.pending + this.#units.waitingBytes + this.#inHandBytes);
  }

  async #run(): Promise<void> {
    const isOver = (): boolean => this.#line.over;
    while (!isOver()) {
      if (this.#units.empty) await this.#units.available();
      const unit = this.#units.shift();
      if (unit === undefined || isOver()) continue;
      this.#inHandBytes = sizeOf(unit);
      if (this.#setup.socket.isPaused() && this.#units.waitingBytes <= INPUT_QUEUE_BYTES) this.#setup.socket.resume();
      if (unit.kind === "terminate") this.#end("client_closed", "The client closed the connection.", false);
      else await this.#handler.handle(unit);
      this.#output.flush();
      if (this.#output.full) await this.#output.writable();
      this.#inHandBytes = 0;
      this.#account();
    }
  }

  #failed(error: unknown): void {
    const known = SallyportError.from(error);
    if (known.code === "internal") this.#setup.log.error({ err: error }, "session failed");
    this.#end(known.code === "internal" ? "internal_error" : "protocol_violation", known.message, true, known);
  }

  #end(cause: SessionEndCause, message: string, tell: boolean, error?: SallyportError): void {
    if (this.#line.over) return;
    this.#line.lost();
    this.#catalogueClient.end();
    this.#settled();
    this.#account();
    this.#handler.withdraw("client_gone");
    this.#channel().close({ code: "", message: "" });
    this.#units.wake();
    // What the target said last is still the client's to see. Whoever ends the session from outside wants it to see no more.
    const lastWords = cause === "target_closed" && !this.#recorder.idle ? this.#recorder.settled() : undefined;
    const recorded = lastWords ?? this.#recorder.drop();
    if (lastWords === undefined) this.#hangUp(cause, message, tell, error);
    else void lastWords.then(() => this.#hangUp(cause, message, tell, error));
    // The end is the last thing recorded: the unit in hand has its own to record first.
    void Promise.allSettled([this.#running, recorded, this.#inputRecorder.drop()]).then(() =>
      this.#setup.ended(cause, message, { toTarget: this.#line.bytesSent, toClient: this.#output.bytesSent }),
    );
  }

  #hangUp(cause: SessionEndCause, message: string, tell: boolean, error: SallyportError | undefined): void {
    const { socket } = this.#setup;
    this.#output.flush();
    // In the middle of a row it would be taken for a part of it: the connection just ends.
    if (tell && this.#output.whole && socket.writable && !this.#line.fatal) {
      const refusal =
        error === undefined
          ? encodeErrorResponse({ severity: "FATAL", sqlstate: "57P01", message, detail: `code: session.ended; cause: ${cause}` })
          : encodeRefusal(error, "FATAL", nextStep(error));
      socket.write(refusal);
    }
    socket.end();
    // A client that reads nothing must not keep the socket for ever.
    setTimeout(() => socket.destroy(), CLOSE_GRACE_MILLIS).unref();
  }
}

/** Clients that end their stream and read on are short scripts; all others that end it are gone. */
const HANG_UP_GRACE_MILLIS = 1_000;

/** For the last error to reach a client that is slow to read. */
const CLOSE_GRACE_MILLIS = 2_000;
