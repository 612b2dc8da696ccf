import type { DescribeCopy } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { encodeFrame, FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { backend, frontend } from "@sallyport/proto/wire/postgres/message-types";
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

/** Reads the target's answer, up to its ReadyForQuery. */
export class DescribeReply {
  readonly #decoder = new FrameDecoder(MAX_REPLY_BYTES);
  /** Not yet in a frame. */
  #unread = 0;
  #columns: readonly ResultColumn[] | "unknown" = "unknown";

  /**
   * `columns` when the answer is complete; a query that the target refuses leaves them unknown. `forClient` is not the answer: what came in
   * between, which has no bound, and what follows.
   */
  push(chunk: Buffer): { readonly columns: readonly ResultColumn[] | "unknown" | undefined; readonly forClient: Buffer } {
    const forClient: Buffer[] = [];
    this.#unread += chunk.length;
    for (const { type, raw } of this.#decoder.push(chunk)) {
      this.#unread -= raw.length;
      if (clientsOwn.has(type)) forClient.push(raw);
      if (type === backend.rowDescription) this.#columns = readResultColumns(raw, 0, raw.length);
      if (type !== backend.readyForQuery) continue;
      // What came with the end of the answer may end in the middle of a message.
      return { columns: this.#columns, forClient: Buffer.concat([...forClient, chunk.subarray(chunk.length - this.#unread)]) };
    }
    return { columns: undefined, forClient: Buffer.concat(forClient) };
  }
}
