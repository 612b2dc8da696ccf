import { encodeFrame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { backend } from "@sallyport/proto/wire/postgres/message-types";

/** Tags whose count is that of the rows that were sent; a DML command's count is what it changed, and stays. */
const COUNTED = /^(SELECT|FETCH|COPY) (\d+)$/;

/** The rows that a CommandComplete tells of, when its tag has such a count. */
export function taggedRows(message: Buffer, from: number, to: number): number | undefined {
  const count = COUNTED.exec(message.toString("latin1", from + FRAME_HEADER_BYTES, to - 1))?.[2];
  return count === undefined ? undefined : Number(count);
}

/** The CommandComplete with the count of the rows that were let through; undefined when it has none to change. */
export function retag(message: Buffer, from: number, to: number, withheld: number): Buffer | undefined {
  const [, verb, count] = COUNTED.exec(message.toString("latin1", from + FRAME_HEADER_BYTES, to - 1)) ?? [];
  if (verb === undefined || count === undefined) return undefined;
  return encodeFrame(backend.commandComplete, Buffer.from(`${verb} ${Math.max(0, Number(count) - withheld)}\0`));
}

export function withheldNotice(withheld: number, cap: number): Buffer {
  const message = `${withheld} ${withheld === 1 ? "row was" : "rows were"} withheld: policy allows at most ${cap} ${cap === 1 ? "row" : "rows"} per command.`;
  return encodeFrame(backend.noticeResponse, Buffer.from(`SWARNING\0VWARNING\0C01000\0M${message}\0\0`));
}
