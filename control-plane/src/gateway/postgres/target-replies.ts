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
  | { readonly kind: "execute"; readonly command: RunningCommand }
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
 * R2. Each command that was forwarded finishes exactly once, whatever the target does.
 */
export class TargetReplies {
  #owed: Expectation[] = [];
  readonly #events: ReplyEvents;

  constructor(events: ReplyEvents) {
    this.#events = events;
  }

  /** Nothing is owed. */
  get idle(): boolean {
    return this.#owed.length === 0;
  }

  /** A simple query or a function call is being answered. */
  get whole(): boolean {
    return this.#owed[0]?.kind === "whole";
  }

  expect(expectation: Expectation): void {
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
        this.#failed(decodeSqlstate(buffer.subarray(start + FRAME_HEADER_BYTES, end)));
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
    for (const owed of this.#owed.splice(0)) if ("command" in owed && owed.command !== undefined) this.#finish(owed.command);
  }

  #confirm(): void {
    const owed = this.#owed[0];
    if (owed === undefined || (owed.kind !== "parse" && owed.kind !== "bind" && owed.kind !== "close")) return;
    this.#owed.shift();
    owed.confirmed();
    if (owed.kind === "bind" && owed.command !== undefined) {
      owed.command.succeeded();
      this.#finish(owed.command);
    }
  }

  #end(mark: (command: RunningCommand) => void): void {
    const owed = this.#owed[0];
    if (owed?.kind === "execute") {
      this.#owed.shift();
      owed.command.succeeded();
      mark(owed.command);
      this.#events.ended(owed.command);
      this.#finish(owed.command);
    } else {
      const command = owed?.kind === "whole" ? owed.command : undefined;
      if (command !== undefined) mark(command);
      this.#events.ended(command);
    }
  }

  #failed(sqlstate: string): void {
    const [owed] = this.#owed;
    if (owed?.kind === "whole") {
      owed.command.failed(sqlstate);
      this.#events.ended(owed.command);
      return;
    }
    const sync = this.#owed.findIndex(({ kind }) => kind === "sync");
    const skipped = this.#owed.splice(0, sync === -1 ? this.#owed.length : sync);
    const commands = skipped.flatMap((each) => ("command" in each && each.command !== undefined ? [each.command] : []));
    const [first, ...rest] = commands;
    first?.failed(sqlstate);
    this.#events.ended(first);
    for (const command of rest) command.skipped();
    for (const command of commands) this.#finish(command);
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
      this.#finish(owed.command);
    }
    this.#events.ready(status);
  }

  #finish(command: RunningCommand): void {
    this.#events.finished(command);
  }
}

function decodeSqlstate(payload: Buffer): string {
  try {
    return decodeFields(payload).get("C") ?? "";
  } catch {
    return ""; // an error that is too long to read whole is passed on all the same
  }
}
