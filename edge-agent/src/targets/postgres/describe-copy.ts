import type { DescribeCopy } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { encodeFrame, FRAME_HEADER_BYTES, FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { backend, frontend } from "@sallyport/proto/wire/postgres/message-types";
import type { CopyLayout } from "./relay/copy-layout.ts";
import { readResultColumns, type ResultColumn } from "./relay/result-columns.ts";

/** No client has a statement of this name, and it is gone again before the client's next message. */
const STATEMENT = "sallyport_describe_copy";
/** A description of 1,600 columns, PostgreSQL's most, with names of 63 bytes is far below this. */
const MAX_REPLY_BYTES = 1_048_576;

/** What the client is to see although it came while we were asking: notices, notifications, settings. */
const clientsOwn = new Set<number>([backend.noticeResponse, backend.notificationResponse, backend.parameterStatus]);

/** Parse, Describe, Close and Sync: nothing is executed. On the session's own connection, since names mean there what COPY will mean. */
export function describeRequest({ query }: DescribeCopy): Buffer {
  const name = Buffer.from(`${STATEMENT}\0`);
  const statement = Buffer.concat([Buffer.from("S"), name]);
  return Buffer.concat([
    encodeFrame(frontend.parse, Buffer.concat([name, Buffer.from(`${query.replaceAll("\0", "")}\0`), Buffer.alloc(2)])),
    encodeFrame(frontend.describe, statement),
    encodeFrame(frontend.close, statement),
    encodeFrame(frontend.sync, Buffer.alloc(0)),
  ]);
}

/** A COPY that waits while the target, then the catalogue, is asked about it. */
export interface Describing {
  /** To which the target's next bytes belong, until it is complete. */
  reply: DescribeReply | undefined;
  readonly layout: CopyLayout | undefined;
  /** It leaves out generated columns, which the question could not. */
  readonly withoutGenerated: boolean;
  /** The client, or policy, wants an end of it. */
  cancelled: boolean;
  /** The target refused the question, and with it the transaction that the COPY is in: this is what the client would have been told. */
  refusal: Buffer | undefined;
}

/** Reads the target's answer, up to its ReadyForQuery. */
export class DescribeReply {
  readonly #decoder = new FrameDecoder(MAX_REPLY_BYTES);
  /** Not yet in a frame. */
  #unread = 0;
  #columns: readonly ResultColumn[] | "unknown" = "unknown";
  #refusal: Buffer | undefined;

  /**
   * `columns` when the answer is complete; a query that the target refuses leaves them unknown. `forClient` is not the answer: what came in
   * between, which has no bound, and what follows. `refusal` is there when the refusal failed a transaction.
   */
  push(chunk: Buffer): Described {
    const forClient: Buffer[] = [];
    this.#unread += chunk.length;
    for (const { type, raw } of this.#decoder.push(chunk)) {
      this.#unread -= raw.length;
      if (clientsOwn.has(type)) forClient.push(raw);
      if (type === backend.rowDescription) this.#columns = readResultColumns(raw, 0, raw.length);
      if (type === backend.errorResponse) this.#refusal ??= withoutPosition(raw);
      if (type !== backend.readyForQuery) continue;
      const refusal = raw[FRAME_HEADER_BYTES] === FAILED ? this.#refusal : undefined;
      // What came with the end of the answer may end in the middle of a message.
      return { columns: this.#columns, forClient: Buffer.concat([...forClient, chunk.subarray(chunk.length - this.#unread)]), refusal };
    }
    return { columns: undefined, forClient: Buffer.concat(forClient), refusal: undefined };
  }
}

interface Described {
  readonly columns: readonly ResultColumn[] | "unknown" | undefined;
  readonly forClient: Buffer;
  readonly refusal: Buffer | undefined;
}

/** Of ReadyForQuery: in a transaction that failed. */
const FAILED = 0x45;
const POSITION = 0x50;

/** It counts in the query, not in the text that the client sent. */
function withoutPosition(error: Buffer): Buffer {
  const fields: Buffer[] = [];
  for (let at = FRAME_HEADER_BYTES; at < error.length;) {
    const end = error.indexOf(0, at) + 1;
    if (error[at] !== POSITION) fields.push(error.subarray(at, end));
    at = end === 0 ? error.length : end;
  }
  return encodeFrame(backend.errorResponse, Buffer.concat(fields));
}
