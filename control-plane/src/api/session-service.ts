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
import type { RecordedResources } from "../application/recorded-resources.ts";
import type { RunningSessions } from "../application/running-sessions.ts";
import type { SessionSummary } from "../application/session-summary.ts";
import { MAX_LISTED_SESSIONS, type Sessions } from "../application/sessions.ts";
import { isVisible, visibleSessions } from "../application/visible-sessions.ts";
import { type ApiContext, streaming, unary } from "./unary.ts";
import { cursorOf, spanOf, textOf } from "./paging.ts";
import { eventView, listedSession, sessionView } from "./views.ts";

const DEFAULT_LISTED = 50;

export interface SessionServiceDeps {
  readonly sessions: Sessions;
  readonly running: RunningSessions;
  readonly resources: RecordedResources;
  readonly readModels: Pick<ReadModelsService, "sessions">;
}

export function sessionService(api: ApiContext, { sessions, running, resources, readModels }: SessionServiceDeps): SessionServiceServer {
  const { authority } = api;
  const requireReadable = async (sessionId: string, principal: Principal): Promise<SessionSummary> => {
    const session = await sessions.get(sessionId);
    authority.require({ principal, action: "replay", area: "sessions", resource: resources.of(session.resource), own: session.identity === principal.id });
    return session;
  };
  return {
    listSessions: unary(api, async (request, { principal }): Promise<ListSessionsResponse> => {
      const visible = await visibleSessions({ authority, resources }, principal, request.identity);
      const query = { ...queryOf(request), ...(visible === undefined ? {} : { visible }) };
      try {
        const { rows, next } = await readModels.sessions(query);
        return { sessions: rows.map(listedSession), nextCursor: textOf(next) };
      } catch (error) {
        // Somebody may want to end a session while the lists are being made anew: the last ones are found without.
        const plain = !request.openOnly && query.resource === undefined && query.since === undefined && query.until === undefined && query.cursor === undefined;
        if (!plain || !(error instanceof SallyportError) || error.code !== "read_models.unavailable") throw error;
        const last = await sessions.list(MAX_LISTED_SESSIONS);
        const wanted = last.filter((session) => isVisible(visible, session) && (request.identity === "" || session.identity === request.identity));
        return { sessions: wanted.slice(0, query.limit).map(sessionView), nextCursor: "" };
      }
    }),
    getSession: unary(api, async ({ sessionId }, { principal }): Promise<GetSessionResponse> => ({
      session: sessionView(await requireReadable(sessionId, principal)),
      events: [],
    })),
    endSession: unary(api, ({ sessionId, reason }, { principal, context }) => {
      const { resource } = running.list().find((session) => session.sessionId === sessionId) ?? {};
      authority.require({ principal, action: "administer", area: "sessions", ...(resource === undefined ? {} : { resource: resources.of(resource) }) });
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

function queryOf({ limit, openOnly, identity, resource, since, until, cursor }: ListSessionsRequest): SessionQuery {
  return {
    limit: Math.min(limit || DEFAULT_LISTED, MAX_LISTED_SESSIONS),
    openOnly,
    ...(identity === "" ? {} : { identity }),
    ...(resource === "" ? {} : { resource }),
    ...spanOf({ since, until }),
    ...cursorOf(cursor),
  };
}
