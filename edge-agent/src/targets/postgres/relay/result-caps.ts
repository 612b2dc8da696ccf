import { encodeFrame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { backend } from "@sallyport/proto/wire/postgres/message-types";
import type { ResultTally } from "./result-tally.ts";

/** What policy lets through of one result; 0: no cap. */
export interface Caps {
  readonly rowCap: number;
  /** Of rows as the target sends them: what a mask makes longer or shorter does not move the cut. */
  readonly byteCap: number;
}

export const isCapped = ({ rowCap, byteCap }: Caps): boolean => rowCap > 0 || byteCap > 0;

/** Whether a row of this size passes, and counts it. Behind the first one that is withheld no other passes. */
export function admits({ rowCap, byteCap }: Caps, size: number, tally: ResultTally): boolean {
  const isOver = rowCap > 0 && tally.rows >= rowCap ? "rows" : byteCap > 0 && tally.admittedBytes + size > byteCap ? "bytes" : undefined;
  if (isOver !== undefined || tally.withheld > 0) {
    tally.limit ??= isOver;
    tally.withheld++;
    return false;
  }
  tally.rows++;
  tally.admittedBytes += size;
  return true;
}

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

export function withheldNotice({ withheld, limit }: Pick<ResultTally, "withheld" | "limit">, { rowCap, byteCap }: Caps): Buffer {
  const allowed = limit === "bytes" ? `${byteCap} bytes of rows` : `${rowCap} ${rowCap === 1 ? "row" : "rows"}`;
  const message = `${withheld} ${withheld === 1 ? "row was" : "rows were"} withheld: policy allows at most ${allowed} per command.`;
  return encodeFrame(backend.noticeResponse, Buffer.from(`SWARNING\0VWARNING\0C01000\0M${message}\0\0`));
}
