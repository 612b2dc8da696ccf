import type { RetainedCategory } from "./retention-rules.ts";

/** What was removed of the record, by whose decision, and by which rule. The decisions themselves are never removed. */
export type RetentionEvent =
  | {
      readonly type: "RetentionStarted";
      readonly data: {
        readonly runId: string;
        /** Who asked for the run; of an administrator, the event's actor says which. */
        readonly trigger: RetentionTrigger;
        /** Streams of a category that ended before its cut-off go. */
        readonly rules: readonly { readonly category: RetainedCategory; readonly keepSeconds: number; readonly cutOff: string }[];
      };
    }
  /** Durable, and signed, before the first of these events goes. */
  | {
      readonly type: "StreamsRemoved";
      readonly data: {
        readonly runId: string;
        readonly category: RetainedCategory;
        readonly cutOff: string;
        /** Each with the number of its events and the Merkle root over their leaves, base64: what is left is held against it. */
        readonly streams: readonly RemovedStreamName[];
      };
    }
  | {
      readonly type: "RetentionFinished";
      readonly data: {
        readonly runId: string;
        readonly outcome: "completed" | "failed";
        /** The code of the error, when it failed; what it had begun is completed by the next run. */
        readonly failure?: string;
        readonly streams: number;
        readonly events: number;
      };
    };

export type RetentionTrigger = "schedule" | "administrator";

export interface RemovedStreamName {
  readonly stream: string;
  readonly events: number;
  readonly leaves: string;
}

export const retentionStream = (runId: string): string => `retention-${runId}`;
