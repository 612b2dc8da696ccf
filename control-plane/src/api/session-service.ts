import type {
  GetSessionResponse,
  ListSessionsRequest,
  ListSessionsResponse,
  ReplaySessionResponse,
  SessionServiceServer,
} from "@sallyport/proto/gen/sallyport/api/v1/api";
import { SallyportError } from "@sallyport/proto/errors";
import type { ReadModelsService } from "../application/projections/read-models.ts";
import type { SessionQuery } from "../application/projections/read-model-store.ts";
import type { Principal } from "../domain/decision.ts";
import type { RunningSessions } from "../application/running-sessions.ts";
import type { SessionSummary } from "../application/session-summary.ts";
import { MAX_LISTED_SESSIONS, type Sessions } from "../application/sessions.ts";
import { ADMINS, AUDITORS, belongsTo, requireGroup } from "./authorise.ts";
import { type ApiContext, streaming, unary } from "./unary.ts";
import { cursorOf, textOf } from "./paging.ts";
import { eventView, listedSession, sessionView } from "./views.ts";

const DEFAULT_LISTED = 50;

export interface SessionServiceDeps {
  readonly sessions: Sessions;
  readonly running: RunningSessions;
  readonly readModels: Pick<ReadModelsService, "sessions">;
}

export function sessionService(api: ApiContext, { sessions, running, readModels }: SessionServiceDeps): SessionServiceServer {
  /** One's own sessions are open to everybody, all of them to auditors. */
  const mayRead = (principal: Principal, { identity }: SessionSummary): boolean => identity === principal.id || belongsTo(principal, AUDITORS, ADMINS);
  const requireReadable = async (sessionId: string, principal: Principal): Promise<SessionSummary> => {
    const session = await sessions.get(sessionId);
    if (!mayRead(principal, session)) requireGroup(principal, AUDITORS, ADMINS);
    return session;
  };
  return {
    listSessions: unary(api, async (request, { principal }): Promise<ListSessionsResponse> => {
      const query = queryOf(request, principal);
      try {
        const { rows, next } = await readModels.sessions(query);
        return { sessions: rows.map(listedSession), nextCursor: textOf(next) };
      } catch (error) {
        // Somebody may want to end a session while the lists are being made anew: the last ones are found without.
        const plain = !request.openOnly && query.resource === undefined && query.since === undefined && query.until === undefined && query.cursor === undefined;
        if (!plain || !(error instanceof SallyportError) || error.code !== "read_models.unavailable") throw error;
        const last = await sessions.list(MAX_LISTED_SESSIONS);
        const wanted = last.filter((session) => query.identity === undefined || session.identity === query.identity);
        return { sessions: wanted.slice(0, query.limit).map(sessionView), nextCursor: "" };
      }
    }),
    getSession: unary(api, async ({ sessionId }, { principal }): Promise<GetSessionResponse> => ({
      session: sessionView(await requireReadable(sessionId, principal)),
      events: [],
    })),
    endSession: unary(api, ({ sessionId, reason }, { principal, context }) => {
      requireGroup(principal, ADMINS);
      running.end(sessionId, reason === "" ? "An administrator ended this session." : reason, context);
      return {};
    }),
    replaySession: streaming(api, async function* ({ sessionId }, { principal }): AsyncGenerator<ReplaySessionResponse> {
      await requireReadable(sessionId, principal);
      for await (const removed of sessions.removedOf(sessionId)) yield { event: undefined, removed };
      for await (const event of sessions.replay(sessionId)) yield { event: eventView(event), removed: "" };
    }),
  };
}

function queryOf({ limit, openOnly, identity, resource, since, until, cursor }: ListSessionsRequest, principal: Principal): SessionQuery {
  const whose = belongsTo(principal, AUDITORS, ADMINS) ? identity : principal.id;
  if (identity !== "" && identity !== whose) requireGroup(principal, AUDITORS, ADMINS);
  return {
    limit: Math.min(limit || DEFAULT_LISTED, MAX_LISTED_SESSIONS),
    openOnly,
    ...(whose === "" ? {} : { identity: whose }),
    ...(resource === "" ? {} : { resource }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...cursorOf(cursor),
  };
}
