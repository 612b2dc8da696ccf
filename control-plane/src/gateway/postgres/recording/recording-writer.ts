import type { RecordingEvent } from "../../../domain/session/recording.events.ts";

/** The writer of a session's recording. */
export interface RecordingWriter {
  /** Takes so many sequence numbers, and answers the first of them. */
  reserve(count: number): number;
  /** In the order of the calls; durable when it resolves. Fails with `ledger.unavailable` or `recording.full`. */
  append(events: readonly RecordingEvent[]): Promise<void>;
  /** Takes no more of what passes. */
  readonly full: boolean;
}
