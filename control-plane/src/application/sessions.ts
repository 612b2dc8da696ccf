import { SallyportError } from "@sallyport/proto/errors";
import { upcast } from "../domain/catalogue.ts";
import { type SessionEvent, sessionStream } from "../domain/session/session.events.ts";
import type { Ledger, RecordedEvent } from "../ledger/ledger.ts";
import { removedOf, sessionNotFound } from "./retention/removed.ts";
import { replay } from "./replay.ts";
import { evolveDetail, type SessionDetail, type SessionSummary } from "./session-summary.ts";

export interface Sessions {
  /** The last ones requested, newest first; at most `MAX_LISTED_SESSIONS`. */
  list(limit?: number): Promise<readonly SessionSummary[]>;
  /** Fails with `session.not_found`. */
  get(sessionId: string): Promise<SessionDetail>;
  replay(sessionId: string): AsyncIterable<RecordedEvent>;
  /** A sentence on each part of it that was removed. */
  removedOf(sessionId: string): AsyncIterable<string>;
}

/** Each session of a listing is folded from its stream; more is not a list for people. */
export const MAX_LISTED_SESSIONS = 500;
/** A session's life is three events; those of long ones that ended meanwhile stand in between. The list may fall short, never search on. */
const SCANNED_PER_SESSION = 10;

export function createSessions(ledger: Ledger): Sessions {
  async function detailOf(sessionId: string): Promise<SessionDetail | undefined> {
    let detail: SessionDetail | undefined;
    for await (const recorded of ledger.readStream(sessionStream(sessionId)))
      detail = evolveDetail(detail, upcast(recorded) as SessionEvent, recorded.metadata.at);
    return detail;
  }

  /** Backwards over the events of sessions' lives, until enough beginnings were seen. */
  async function recent(limit: number): Promise<SessionSummary[]> {
    const later = new Map<string, { readonly event: SessionEvent; readonly at: string }[]>();
    const found: SessionSummary[] = [];
    const scan = ledger.readAll({
      direction: "backwards",
      filter: { by: "type", prefixes: ["Session"] },
      limit: limit * SCANNED_PER_SESSION,
    });
    for await (const recorded of scan) {
      const event = upcast(recorded) as SessionEvent;
      const at = recorded.metadata.at;
      const seen = later.get(recorded.stream) ?? [];
      if (event.type !== "SessionRequested") {
        later.set(recorded.stream, [{ event, at }, ...seen]);
        continue;
      }
      later.delete(recorded.stream);
      const detail = seen.reduce((so, each) => evolveDetail(so, each.event, each.at), evolveDetail(undefined, event, at));
      if (detail !== undefined) found.push(summaryOf(detail));
      if (found.length === limit) break;
    }
    return found;
  }

  return {
    async list(limit = 50) {
      if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LISTED_SESSIONS) {
        throw new SallyportError("input.invalid", `A list has between 1 and ${String(MAX_LISTED_SESSIONS)} sessions.`, { field: "limit" });
      }
      return recent(limit);
    },

    async get(sessionId) {
      const detail = await detailOf(sessionId);
      if (detail === undefined) throw await sessionNotFound(ledger, sessionId);
      return detail;
    },

    removedOf: (sessionId) => removedOf(ledger, sessionId),
    replay: (sessionId) => replay(ledger, sessionId),
  };
}

/** What is counted in a session comes from events that a listing does not read. */
const summaryOf = ({ commands: _commands, rows: _rows, maskedCells: _cells, ...summary }: SessionDetail): SessionSummary => summary;
