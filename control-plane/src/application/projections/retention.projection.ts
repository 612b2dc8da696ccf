import { approvalStream } from "../../domain/approval/approval.events.ts";
import type { RetentionEvent } from "../../domain/retention/retention.events.ts";
import { sessionStream } from "../../domain/session/session.events.ts";
import type { Change, Projected } from "./change.ts";

export interface RetentionWrites {
  /** With its commands. */
  readonly sessionCommandsRemoved: readonly [session: string];
  readonly sessionRemoved: readonly [session: string];
  readonly approvalRemoved: readonly [approval: string];
}

/** Rows go with the streams that they are made of: made anew from the ledger, they would not be there either. */
export function projectRetention({ event }: Projected<RetentionEvent>): Change[] {
  if (event.type !== "StreamsRemoved") return [];
  return event.data.streams.flatMap(({ stream }): Change[] => {
    const [session, approval] = [idIn(stream, sessionStream("")), idIn(stream, approvalStream(""))];
    if (session !== undefined) {
      return [
        ["sessionCommandsRemoved", session],
        ["sessionRemoved", session],
      ];
    }
    return approval === undefined ? [] : [["approvalRemoved", approval]];
  });
}

const idIn = (stream: string, prefix: string): string | undefined => (stream.startsWith(prefix) ? stream.slice(prefix.length) : undefined);
