import { SallyportError } from "@sallyport/proto/errors";
import type { Obligations, Open, ResultLineage } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel, CloseReason, ControlBody } from "@sallyport/proto/tunnel/channel";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame, type Frame, FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { backend, frontend } from "@sallyport/proto/wire/postgres/message-types";
import { encodeQuery } from "@sallyport/proto/wire/postgres/query";
import { PayloadReader } from "@sallyport/proto/wire/postgres/reader";
import type { TargetSession } from "../../target.ts";
import { withoutValues } from "../relay/diagnostics.ts";
import { MAX_PREVIEW_MESSAGE_BYTES } from "./limits.ts";

type Cells = readonly (string | null)[];

export interface Reply {
  readonly columns: readonly string[];
  /** The first of them. */
  readonly rows: readonly Cells[];
  readonly tag: string;
  readonly failure: { readonly sqlstate: string; readonly message: string } | undefined;
  /** ReadyForQuery's: `I` idle, `T` in a transaction, `E` in one that failed. */
  readonly status: string;
}

export interface Parameter {
  readonly typeOid: number;
  readonly binary: boolean;
  readonly value?: Buffer | undefined;
}

interface Asking {
  readonly columns: string[];
  readonly rows: Cells[];
  readonly keep: number;
  tag: string;
  failure: Reply["failure"];
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: SallyportError) => void;
}

/**
 * The agent as a client of one of its own sessions: what it asks goes to the target, and what it hears is masked, by the very code that
 * relays for people. Owns the session.
 *
 * V1. One question at a time.
 * V2. Once the session is over, every question fails with its reason.
 */
export class Conversation implements Channel {
  readonly session = 0;
  readonly #decoder = new FrameDecoder(MAX_PREVIEW_MESSAGE_BYTES);
  readonly #opened = Promise.withResolvers<void>();
  readonly #hidesValues: boolean;
  #target: TargetSession | undefined;
  #asking: Asking | undefined;
  #over: SallyportError | undefined;

  private constructor(hidesValues: boolean) {
    this.#hidesValues = hidesValues;
  }

  /** Resolves when the session has logged in. `hidesValues`: failures quote none.  `begin` opens it on this channel. */
  static async open(
    open: Open,
    begin: (open: Open, channel: Channel) => TargetSession,
    { signal, hidesValues }: { readonly signal: AbortSignal; readonly hidesValues: boolean },
  ): Promise<Conversation> {
    const conversation = new Conversation(hidesValues);
    conversation.#target = begin(open, conversation);
    signal.addEventListener("abort", () => conversation.hangUp(SallyportError.from(signal.reason)));
    if (signal.aborted) conversation.hangUp(SallyportError.from(signal.reason));
    await conversation.#opened.promise;
    return conversation;
  }

  /** As a text of its own; of its rows the first `keep` are kept. */
  query(sql: string, keep?: number): Promise<Reply> {
    return this.#ask(encodeQuery(sql), keep);
  }

  /** As one statement, whatever the text: a second one is the target's to refuse. */
  run(statement: string, parameters: readonly Parameter[], keep?: number): Promise<Reply> {
    return this.#ask(extendedQuery(statement, parameters), keep);
  }

  oblige(obligations: Obligations, lineage: ResultLineage): void {
    this.#target?.control({ $case: "obligations", value: obligations });
    this.#target?.control({ $case: "resultLineage", value: lineage });
  }

  /** Ends the session; the target rolls back whatever is open. */
  hangUp(why = new SallyportError("session.ended", "The preview is over.")): void {
    if (this.#end(why)) this.#target?.closed({ code: "", message: "" });
  }

  send(bytes: Buffer): boolean {
    for (const frame of this.#decoder.push(bytes)) this.#hear(frame);
    return true;
  }

  post(body: ControlBody): void {
    if (body.$case === "opened") this.#opened.resolve();
  }

  consumed(): void {
    // Nothing is sent but what is answered before more is.
  }

  close({ code, message }: CloseReason): void {
    this.#end(new SallyportError(code || "target.unreachable", message || "The target closed the connection."));
  }

  #ask(bytes: Buffer, keep = Infinity): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#over !== undefined) return reject(this.#over);
      if (this.#asking !== undefined) throw new Error("two questions at once");
      this.#asking = { columns: [], rows: [], keep, tag: "", failure: undefined, resolve, reject };
      this.#target?.data(bytes);
    });
  }

  #hear({ type, payload }: Frame): void {
    const asking = this.#asking;
    if (asking === undefined) return;
    if (type === backend.rowDescription) asking.columns.splice(0, Infinity, ...readNames(payload));
    else if (type === backend.dataRow && asking.rows.length < asking.keep) asking.rows.push(readCells(payload));
    else if (type === backend.commandComplete) asking.tag = payload.toString("latin1", 0, payload.length - 1);
    else if (type === backend.errorResponse) {
      const fields = decodeFields(payload);
      asking.failure ??= { sqlstate: fields.get("C") ?? "XX000", message: this.#hidesValues ? withoutValues(fields) : (fields.get("M") ?? "") };
    } else if (type === backend.readyForQuery) {
      this.#asking = undefined;
      const { columns, rows, tag, failure } = asking;
      asking.resolve({ columns, rows, tag, failure, status: payload.toString("latin1") });
    }
  }

  /** Whether it was not over before. */
  #end(why: SallyportError): boolean {
    if (this.#over !== undefined) return false;
    this.#over = why;
    this.#opened.promise.catch(() => undefined);
    this.#opened.reject(why);
    this.#asking?.reject(why);
    this.#asking = undefined;
    return true;
  }
}

/** int16 count; for each: string name, and 18 bytes of origin, type and format. */
function readNames(payload: Buffer): string[] {
  const reader = new PayloadReader(payload);
  return Array.from({ length: reader.int16() }, () => {
    const name = reader.cstring().toString("utf8");
    reader.bytes(18);
    return name;
  });
}

/** int16 count; for each: int32 length (-1: NULL), text. */
function readCells(payload: Buffer): Cells {
  const reader = new PayloadReader(payload);
  return Array.from({ length: reader.int16() }, () => {
    const length = reader.int32();
    return length === -1 ? null : reader.bytes(length).toString("utf8");
  });
}

/** Parse, Bind, Describe and Execute of the unnamed statement, and Sync; results as text. */
function extendedQuery(statement: string, parameters: readonly Parameter[]): Buffer {
  const types = parameters.map(({ typeOid }) => int32(typeOid));
  const formats = parameters.map(({ binary }) => int16(binary ? 1 : 0));
  const values = parameters.flatMap(({ value }) => (value === undefined ? [int32(-1)] : [int32(value.length), value]));
  const parse = Buffer.concat([Buffer.from(`\0${statement}\0`), int16(parameters.length), ...types]);
  const bind = Buffer.concat([Buffer.alloc(2), int16(parameters.length), ...formats, int16(parameters.length), ...values, int16(0)]);
  return Buffer.concat([
    encodeFrame(frontend.parse, parse),
    encodeFrame(frontend.bind, bind),
    encodeFrame(frontend.describe, Buffer.from("P\0")),
    encodeFrame(frontend.execute, Buffer.alloc(5)),
    encodeFrame(frontend.sync, Buffer.alloc(0)),
  ]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}
