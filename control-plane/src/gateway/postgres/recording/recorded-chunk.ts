import { promisify } from "node:util";
import { constants, gzip, gzipSync } from "node:zlib";
import type { RecordingEvent } from "../../../domain/session/recording.events.ts";

/** To compress so little takes less of the main thread than to hand it to another: about 25 µs. */
export const COMPRESSED_AT_ONCE_BYTES = 4_096;

/** What databases hold gets little smaller by more effort, and somebody waits for it. */
const fast = { level: constants.Z_BEST_SPEED };

/** In zlib's threads, unless it is short. */
const inThread = promisify(gzip);
const compressed = (bytes: Buffer): Buffer | Promise<Buffer> => (bytes.length <= COMPRESSED_AT_ONCE_BYTES ? gzipSync(bytes, fast) : inThread(bytes, fast));

/** The event that holds these messages of a command, or a part of one. */
export async function recordedChunk(
  type: "OutputRecorded" | "CopyDataRecorded",
  sequence: number,
  { commandId, bytes }: { readonly commandId: number; readonly bytes: Buffer },
): Promise<RecordingEvent> {
  const gzipBase64 = (await compressed(bytes)).toString("base64");
  return { type, data: { sequence, commandId, bytes: bytes.length, gzipBase64 } };
}
