import { decodeFields, type TransactionStatus } from "@sallyport/proto/wire/postgres/backend";
import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { backend } from "@sallyport/proto/wire/postgres/message-types";
import type { SkimmedMessage } from "./backend-skimmer.ts";
import type { RunningCommand } from "./running-command.ts";

/** What the target owes for what was forwarded, in order. */
export type Expectation =
  | { readonly kind: "parse"; readonly confirmed: () => void }
  | { readonly kind: "bind"; readonly confirmed: () => void; readonly command?: RunningCommand | undefined }
  | { readonly kind: "close"; readonly confirmed: () => void }
  | { readonly kind: "describe" }
  /** `ran`: told when it ended, or failed half-way. */
  | { readonly kind: "execute"; readonly command: RunningCommand; readonly ran?: () => void }
  /** A simple query or a function call: all until ReadyForQuery belongs to it. */
  | { readonly kind: "whole"; readonly command: RunningCommand }
  | { readonly kind: "sync" };

export interface ReplyEvents {
  /** The target waits for COPY data. */
  copyIn(): void;
  /** The transaction status of ReadyForQuery; the group is over. */
  ready(status: TransactionStatus): void;
  parameter(name: string, value: string): void;
  /** A command's results end here; its report follows from the agent. `undefined` when the end belongs to no command. */
  ended(command: RunningCommand | undefined): void;
  finished(command: RunningCommand): void;
}

/**
 * Matches the target's messages with what was forwarded.
 *
 * R1. Replies come in the order of requests; after an error everything up to the next Sync is skipped, by the target and here.
 * R2. Each command that was forwarded finishes exactly once, whatever the target does, and not before its group is over: an
 *     error at the end (a deferred constraint) undoes what seemed to have succeeded.
 */
export class TargetReplies {
  readonly #owed: Expectation[] = [];
  /** Have ended in this group, which is not over. */
  readonly #ended: RunningCommand[] = [];
  #failedGroup = false;
  readonly #events: ReplyEvents;
  #fatal = false;

  constructor(events: ReplyEvents) {
    this.#events = events;
  }

  /** Nothing is owed. */
  get idle(): boolean {
    return this.#owed.length === 0;
  }

  /** The target skips what comes until the next Sync. */
  get failed(): boolean {
    return this.#failedGroup;
  }

  /** The target has told the client itself why it ends the connection. */
  get fatal(): boolean {
    return this.#fatal;
  }

  /** A simple query or a function call is being answered. */
  get whole(): boolean {
    return this.#owed[0]?.kind === "whole";
  }

  /** Whose answer comes next; undefined where no command is owed one. */
  get owner(): RunningCommand | undefined {
    for (const owed of this.#owed) if ("command" in owed && owed.command !== undefined) return owed.command;
    return undefined;
  }

  expect(expectation: Expectation): void {
    if (this.#failedGroup && expectation.kind !== "sync") {
      if ("command" in expectation && expectation.command !== undefined) {
        expectation.command.skipped();
        this.#settle(expectation.command);
      }
      return;
    }
    this.#owed.push(expectation);
  }

  visit({ type, buffer, start, end }: SkimmedMessage): void {
    switch (type) {
      case backend.parseComplete:
      case backend.bindComplete:
      case backend.closeComplete:
        this.#confirm();
        break;
      case backend.rowDescription:
      case backend.noData:
        if (this.#owed[0]?.kind === "describe") this.#owed.shift();
        break;
      case backend.commandComplete:
        this.#end((command) => command.tagged(buffer.toString("latin1", start + FRAME_HEADER_BYTES, end - 1)));
        break;
      case backend.emptyQueryResponse:
      case backend.portalSuspended:
        this.#end(() => undefined);
        break;
      case backend.errorResponse:
        this.#failed(readError(buffer.subarray(start + FRAME_HEADER_BYTES, end)));
        break;
      case backend.copyInResponse:
      case backend.copyBothResponse:
        this.#copyIn();
        break;
      case backend.parameterStatus: {
        const [name = "", value = ""] = buffer.toString("utf8", start + FRAME_HEADER_BYTES, end - 1).split("\0");
        this.#events.parameter(name, value);
        break;
      }
      case backend.readyForQuery:
        this.#ready(String.fromCharCode(buffer[start + FRAME_HEADER_BYTES] ?? 0x49) as TransactionStatus);
        break;
      default:
        break;
    }
  }

  /** The target is gone: whatever was under way has an unknown outcome. */
  lost(): void {
    for (const owed of this.#owed.splice(0)) if ("command" in owed && owed.command !== undefined) this.#settle(owed.command);
    this.#finishAll();
  }

  #confirm(): void {
    const owed = this.#owed[0];
    if (owed === undefined || (owed.kind !== "parse" && owed.kind !== "bind" && owed.kind !== "close")) return;
    this.#owed.shift();
    owed.confirmed();
    if (owed.kind === "bind" && owed.command !== undefined) {
      owed.command.succeeded();
      this.#settle(owed.command);
    }
  }

  #end(mark: (command: RunningCommand) => void): void {
    const owed = this.#owed[0];
    if (owed?.kind === "execute") {
      this.#owed.shift();
      owed.ran?.();
      owed.command.succeeded();
      mark(owed.command);
      this.#events.ended(owed.command);
      this.#settle(owed.command);
    } else {
      const command = owed?.kind === "whole" ? owed.command : undefined;
      if (command !== undefined) mark(command);
      this.#events.ended(command);
    }
  }

  #failed({ sqlstate, fatal }: { readonly sqlstate: string; readonly fatal: boolean }): void {
    this.#fatal ||= fatal;
    const [owed] = this.#owed;
    if (owed?.kind === "whole") {
      owed.command.failed(sqlstate);
      this.#events.ended(owed.command);
      return;
    }
    if (owed?.kind === "sync") for (const command of this.#ended) command.failed(sqlstate);
    if (owed?.kind === "execute") owed.ran?.();
    this.#failedGroup = owed !== undefined;
    const sync = this.#owed.findIndex(({ kind }) => kind === "sync");
    const skipped = this.#owed.splice(0, sync === -1 ? this.#owed.length : sync);
    const commands = skipped.flatMap((each) => ("command" in each && each.command !== undefined ? [each.command] : []));
    const [first, ...rest] = commands;
    first?.failed(sqlstate);
    this.#events.ended(first);
    for (const command of rest) command.skipped();
    for (const command of commands) this.#settle(command);
  }

  /** In COPY the target swallows a Sync that was sent already; the one that ends the group comes after the data. */
  #copyIn(): void {
    const sync = this.#owed.findIndex(({ kind }) => kind === "sync");
    if (sync !== -1) this.#owed.splice(sync, 1);
    this.#events.copyIn();
  }

  #ready(status: TransactionStatus): void {
    const sync = this.#owed.findIndex(({ kind }) => kind === "sync" || kind === "whole");
    for (const owed of this.#owed.splice(0, sync + 1)) {
      if (!("command" in owed) || owed.command === undefined) continue;
      if (owed.kind === "whole") owed.command.succeeded();
      this.#settle(owed.command);
    }
    this.#failedGroup = false;
    this.#finishAll();
    this.#events.ready(status);
  }

  #settle(command: RunningCommand): void {
    command.ended();
    this.#ended.push(command);
    if (this.#ended.length > MAX_UNFINISHED) this.#finishAll();
  }

  #finishAll(): void {
    for (const command of this.#ended.splice(0)) this.#events.finished(command);
  }
}

/** A client may never send Sync; the record of what it did must not wait for ever. */
const MAX_UNFINISHED = 1_024;

function readError(payload: Buffer): { readonly sqlstate: string; readonly fatal: boolean } {
  try {
    const fields = decodeFields(payload);
    const severity = fields.get("V") ?? fields.get("S");
    return { sqlstate: fields.get("C") ?? "", fatal: severity === "FATAL" || severity === "PANIC" };
  } catch {
    return { sqlstate: "", fatal: false }; // an error that is too long to read whole is passed on all the same
  }
}
