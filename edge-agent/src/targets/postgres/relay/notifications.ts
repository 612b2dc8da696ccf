import { SallyportError } from "@sallyport/proto/errors";
import { encodeFrame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { backend } from "@sallyport/proto/wire/postgres/message-types";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import { FULL_MASK } from "../../../masking/mask-value.ts";
import { DIAGNOSTICS } from "./diagnostics.ts";
import type { Outbox } from "./outbox.ts";
import type { ResultTally } from "./result-tally.ts";

/**
 * NotificationResponse
 *   byte1 'A'  int32 length  int32 pid  string channel  string payload
 *
 * Its payload has no origin: triggers send whole rows by it. Where any column is masked it may be that column, so only the channel is
 * left; where only detectors are on, it is scanned like text.
 */
export function maskNotification(bytes: Buffer, from: number, to: number, masker: CellMasker, out: Outbox, tally: ResultTally): void {
  const channelEnd = bytes.indexOf(0, from + FRAME_HEADER_BYTES + 4);
  if (channelEnd < 0 || channelEnd + 1 >= to || bytes[to - 1] !== 0) {
    throw new SallyportError("wire.malformed", "The target sent a notification that is malformed.");
  }
  const hasPayload = channelEnd + 2 < to;
  if (masker.hasColumnRules && hasPayload) {
    tally.mask(DIAGNOSTICS, 1);
    const message = encodeFrame(
      backend.notificationResponse,
      Buffer.concat([bytes.subarray(from + FRAME_HEADER_BYTES, channelEnd + 1), FULL_MASK, Buffer.alloc(1)]),
    );
    out.add(message, 0, message.length);
    return;
  }
  if (masker.scan(bytes, channelEnd + 1, to - 1) > 0) tally.mask(DIAGNOSTICS, 1);
  out.add(bytes, from, to);
}
