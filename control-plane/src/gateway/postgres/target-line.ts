import type { Report } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel, ControlBody } from "@sallyport/proto/tunnel/channel";
import type { TransactionStatus } from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame, type Frame } from "@sallyport/proto/wire/postgres/frames";
import { backend, frontend } from "@sallyport/proto/wire/postgres/message-types";
import { BackendSkimmer } from "./backend-skimmer.ts";
import type { OutputRecorder } from "./recording/output-recorder.ts";
import { ReportCollector } from "./report-collector.ts";
import type { RunningCommand } from "./running-command.ts";
import type { SessionKnowledge } from "./session-knowledge.ts";
import { type Expectation, TargetReplies } from "./target-replies.ts";

export interface TargetLineDeps {
  readonly channel: () => Channel;
  readonly recorder: OutputRecorder;
  readonly knowledge: SessionKnowledge;
  readonly complete: (command: RunningCommand) => void;
}

/**
 * The conversation with the target: what was said to it, what it still owes, and which of its answers the client sees.
 *
 * L1. Whoever says something waits for what ends it: one unit is under way at a time, so that there is one waiter at most.
 * L2. `settle` makes the target answer what it has of an open group; behind it nothing is owed, and the client's stream stands
 *     between two messages.
 * L3. Every wait ends with the session, and nothing is said after it.
 */
export class TargetLine {
  readonly #deps: TargetLineDeps;
  readonly #skimmer = new BackendSkimmer();
  readonly #replies: TargetReplies;
  readonly #reports: ReportCollector;
  #status: TransactionStatus = "I";
  /** Something of the current extended group was said and its Sync was not. */
  #groupOpen = false;
  /** The target takes COPY data. */
  #copying = false;
  /** Nothing of the answer reaches the client up to the next ReadyForQuery. */
  #withheld = false;
  /** The target's next error is one that we provoked to make its transaction fail: the client has been told already. */
  #swallowError = false;
  #readyWaiter: (() => void) | undefined;
  #idleWaiter: (() => void) | undefined;
  #drainWaiter: (() => void) | undefined;
  #bytesSent = 0;
  #over = false;

  constructor(deps: TargetLineDeps) {
    this.#deps = deps;
    this.#reports = new ReportCollector(deps.complete);
    this.#replies = new TargetReplies({
      copyIn: () => this.#copyIn(),
      ready: (status) => this.#ready(status),
      parameter: (name, value) => deps.knowledge.parameter(name, value),
      ended: (command) => this.#reports.expect(command),
      finished: (command) => this.#reports.finish(command),
    });
  }

  get over(): boolean {
    return this.#over;
  }

  get status(): TransactionStatus {
    return this.#status;
  }

  get groupOpen(): boolean {
    return this.#groupOpen;
  }

  get copying(): boolean {
    return this.#copying;
  }

  /** The command that is being answered, and that takes COPY data while the target does; 0 where there is none. */
  get answering(): number {
    return this.#replies.owner?.commandId ?? 0;
  }

  /** The target skips everything up to Sync. */
  get failed(): boolean {
    return this.#replies.failed;
  }

  /** The target has told the client itself why it ends the connection. */
  get fatal(): boolean {
    return this.#replies.fatal;
  }

  /** ReadyForQuery is still to come for what was said last. */
  get awaitsReady(): boolean {
    return this.#readyWaiter !== undefined;
  }

  get withheld(): boolean {
    return this.#withheld;
  }

  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** The greeting, which goes to the client by another way. */
  greeted(greeting: Buffer): void {
    this.#skimmer.push(greeting, (message) => this.#replies.visit(message));
  }

  post(body: ControlBody): void {
    if (!this.#over) this.#deps.channel().post(body);
  }

  /** A simple query or a function call. Resolves when it is answered, or when the target asks for COPY data. */
  whole(frame: Frame, command: RunningCommand | undefined): Promise<void> {
    const ready = this.#nextReady();
    this.#groupOpen = false;
    if (command !== undefined) this.#replies.expect({ kind: "whole", command });
    return this.#send([frame.raw])?.then(() => ready) ?? ready;
  }

  /** A part of an extended group. Resolves when the target took it and, if it ends the group, answered it. */
  group(frames: readonly Frame[], owed: readonly Expectation[], sync: boolean): Promise<void> {
    const ready = sync ? this.#nextReady() : Promise.resolve();
    for (const each of owed) this.#replies.expect(each);
    this.#groupOpen = !sync;
    return this.#send(frames.map(({ raw }) => raw))?.then(() => ready) ?? ready;
  }

  /** Nothing is open, or nothing can be done about it now: `settle` would do nothing. */
  get settled(): boolean {
    return !this.#groupOpen || this.#copying || this.#over;
  }

  /** Makes the target answer what it has of an open group (L2). */
  async settle(): Promise<void> {
    if (this.settled) return;
    if (!this.#quiet) await this.#send([flushMessage]);
    await this.#answered();
  }

  /** Ends the group that is open. */
  async sync(): Promise<void> {
    const ready = this.#nextReady();
    this.#groupOpen = false;
    this.#replies.expect({ kind: "sync" });
    await this.#send([syncMessage]);
    await ready;
  }

  /**
   * Fails the target's transaction without a word to the client: by a Parse that cannot be parsed, which executes nothing.
   * `sync`: and ends the group, so that the client sees its ReadyForQuery.
   */
  async fail({ sync }: { readonly sync: boolean }): Promise<void> {
    this.#swallowError = true;
    this.#replies.expect({ kind: "parse", confirmed: () => undefined });
    const text = Buffer.concat([Buffer.from(`${PROVOKED_NAME}\0${PROVOKED_TEXT}\0`), Buffer.alloc(2)]);
    await this.#send([encodeFrame(frontend.parse, text), ...(sync ? [] : [flushMessage])]);
    await (sync ? this.sync() : this.#answered());
  }

  /** Whether the target takes COPY data, which may come right behind the command, before the target has asked for it. */
  async takesCopy(): Promise<boolean> {
    if (!this.#copying) await this.settle();
    return this.#copying && !this.#over;
  }

  /** COPY data, in whole messages, goes to a target that asked for it; otherwise it is dropped, as the target would. */
  async copy(bytes: Buffer, last: boolean): Promise<void> {
    if (!this.#copying) return;
    if (last) this.#copying = false;
    const ready = last && this.#replies.whole ? this.#nextReady() : undefined;
    await this.#send([bytes]);
    await ready;
  }

  /** Fails the COPY that takes data, without a word to the client. Resolves when the target has taken notice. */
  async failCopy(): Promise<void> {
    if (!this.#copying) return;
    this.#copying = false;
    this.#swallowError = true;
    const ready = this.#replies.whole ? this.#nextReady() : undefined;
    await this.#send([encodeFrame(frontend.copyFail, Buffer.from(`${PROVOKED_COPY_TEXT}\0`))]);
    await (ready ?? this.#answered());
  }

  /** Sync and Flush in the middle of COPY data: the target ignores them, unless it has failed in the meantime. */
  async duringCopy(frames: readonly Frame[]): Promise<void> {
    await this.#send(frames.map(({ raw }) => raw));
  }

  /** The record of what is being answered could not be written: nothing more of it reaches the client. */
  withhold(): void {
    this.#withheld = true;
  }

  /** Bytes of the target. */
  received(bytes: Buffer): void {
    if (this.#over) return;
    const { recorder } = this.#deps;
    const out: Buffer[] = [];
    let from = 0;
    const passed = this.#skimmer.push(bytes, (message) => {
      const withheld = this.#withheld;
      const swallow = this.#swallowError && message.type === backend.errorResponse;
      this.#replies.visit(message);
      // A target that has failed takes no more data.
      if (message.type === backend.errorResponse) this.#copying = false;
      // ReadyForQuery ends what is withheld; it is itself the client's to see.
      if (withheld && !this.#withheld) from = message.start;
      if (swallow && !this.#replies.fatal) {
        this.#swallowError = false;
        if (!withheld) out.push(message.buffer.subarray(from, message.start));
        from = message.end;
      }
      if (recorder.commandId === undefined) return;
      const { owner } = this.#replies;
      if (owner === undefined || owner.commandId === recorder.commandId) return;
      // Behind this message another command's answer begins.
      if (!this.#withheld) out.push(message.buffer.subarray(from, message.end));
      from = message.end;
      recorder.write(joined(out.splice(0)));
      recorder.begin(owner.commandId);
    });
    if (!this.#withheld) out.push(passed.subarray(from));
    recorder.write(joined(out), bytes.length, this.#skimmer.whole);
    if (this.#quiet || this.#copying) recorder.flush();
    if (this.#quiet) this.#idleWaiter?.();
  }

  report(report: Report): void {
    this.#reports.add(report);
  }

  drained(): void {
    this.#drainWaiter?.();
  }

  /** The end of the session: completes what was under way with what is known. */
  lost(): void {
    this.#over = true;
    this.#replies.lost();
    this.#reports.flush();
    for (const waiter of [this.#readyWaiter, this.#idleWaiter, this.#drainWaiter]) waiter?.();
  }

  /** Nothing is owed, and the client's stream stands between two messages. */
  get #quiet(): boolean {
    return this.#replies.idle && this.#skimmer.aligned;
  }

  #copyIn(): void {
    this.#copying = true;
    // The target has swallowed, or will swallow, a Sync that was sent along: the group goes on behind the data.
    if (!this.#replies.whole) this.#groupOpen = true;
    this.#readyWaiter?.();
    this.#idleWaiter?.();
  }

  #ready(status: TransactionStatus): void {
    this.#status = status;
    this.#groupOpen = false;
    this.#copying = false;
    this.#withheld = false;
    this.#swallowError = false;
    this.#deps.knowledge.ready(status);
    this.#readyWaiter?.();
  }

  /** Resolves at the next ReadyForQuery, or when the target asks for COPY data. */
  #nextReady(): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      this.#readyWaiter = () => {
        this.#readyWaiter = undefined;
        resolve();
      };
    });
  }

  /** Resolves when nothing is owed, or the target asks for COPY data. */
  async #answered(): Promise<void> {
    if (this.#over || this.#copying || this.#quiet) return;
    await new Promise<void>((resolve) => {
      this.#idleWaiter = resolve;
    });
    this.#idleWaiter = undefined;
  }

  /** A promise when the tunnel takes no more for now: it resolves when it does again. */
  #send(pieces: readonly Buffer[]): Promise<void> | undefined {
    if (this.#over) return undefined;
    for (const piece of pieces) this.#bytesSent += piece.length;
    const [only, more] = pieces;
    if (only === undefined || this.#deps.channel().send(more === undefined ? only : Buffer.concat(pieces))) return undefined;
    return new Promise((resolve) => {
      this.#drainWaiter = () => {
        this.#drainWaiter = undefined;
        resolve();
      };
    });
  }
}

const joined = (pieces: readonly Buffer[]): Buffer => (pieces.length > 1 ? Buffer.concat(pieces) : (pieces[0] ?? Buffer.alloc(0)));

const flushMessage = encodeFrame(frontend.flush, Buffer.alloc(0));
const syncMessage = encodeFrame(frontend.sync, Buffer.alloc(0));

/** No client's statement is called so; what a log of the target shows says where it came from. */
const PROVOKED_NAME = "sallyport_refused";
const PROVOKED_COPY_TEXT = "sallyport could not record the data";
const PROVOKED_TEXT = "sallyport refused the client's last command, so this transaction fails";
