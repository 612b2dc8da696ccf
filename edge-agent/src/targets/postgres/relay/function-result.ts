import { SallyportError } from "@sallyport/proto/errors";
import { encodeFrame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { backend } from "@sallyport/proto/wire/postgres/message-types";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import type { Outbox } from "./outbox.ts";
import type { ResultTally } from "./result-tally.ts";

const NULL_RESULT = encodeFrame(backend.functionCallResponse, Buffer.from([0xff, 0xff, 0xff, 0xff]));
const FUNCTION = "(function)";

/**
 * FunctionCallResponse
 *   byte1 'V'  int32 length  int32 length of the value (-1: NULL)  value
 *
 * It has no type and no origin. Where any column is masked it may be that column, so it becomes NULL (which breaks
 * large objects in such sessions); where only detectors are on, it is scanned like text.
 */
export function maskFunctionResult(bytes: Buffer, from: number, to: number, masker: CellMasker, out: Outbox, tally: ResultTally): void {
  const at = from + FRAME_HEADER_BYTES;
  if (at + 4 > to) throw new SallyportError("wire.malformed", "The target sent a function result that is malformed.");
  const isNull = bytes.readInt32BE(at) < 0;
  if (masker.hasColumnRules && !isNull) {
    tally.mask(FUNCTION, 1);
    out.add(NULL_RESULT, 0, NULL_RESULT.length);
    return;
  }
  if (!isNull && masker.scan(bytes, at + 4, to) > 0) tally.mask(FUNCTION, 1);
  out.add(bytes, from, to);
}
