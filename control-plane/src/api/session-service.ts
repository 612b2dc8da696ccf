import type { GetSessionResponse, ListSessionsResponse, ReplaySessionResponse, Session, SessionServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Principal } from "../domain/decision.ts";
import type { RunningSessions } from "../application/running-sessions.ts";
import type { SessionSummary } from "../application/session-summary.ts";
import { MAX_LISTED_SESSIONS, type Sessions } from "../application/sessions.ts";
import { ADMINS, AUDITORS, belongsTo, requireGroup } from "./authorise.ts";
import { type ApiContext, streaming, unary } from "./unary.ts";
import { eventView } from "./views.ts";

const DEFAULT_LISTED = 50;

export function sessionService(api: ApiContext, deps: { readonly sessions: Sessions; readonly running: RunningSessions }): SessionServiceServer {
  const { sessions, running } = deps;
  /** One's own sessions are open to everybody, all of them to auditors. */
  const mayRead = (principal: Principal, { identity }: SessionSummary): boolean => identity === principal.id || belongsTo(principal, AUDITORS, ADMINS);
  const requireReadable = async (sessionId: string, principal: Principal): Promise<SessionSummary> => {
    const session = await sessions.get(sessionId);
    if (!mayRead(principal, session)) requireGroup(principal, AUDITORS, ADMINS);
    return session;
  };
  return {
    listSessions: unary(api, async ({ limit, openOnly }, { principal }): Promise<ListSessionsResponse> => {
      const wanted = Math.min(limit || DEFAULT_LISTED, MAX_LISTED_SESSIONS);
      const all = await sessions.list(MAX_LISTED_SESSIONS);
      const readable = all.filter((session) => mayRead(principal, session) && (!openOnly || session.state === "open"));
      return { sessions: readable.slice(0, wanted).map(sessionView) };
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
      for await (const event of sessions.replay(sessionId)) yield { event: eventView(event) };
    }),
  };
}

const sessionView = ({ id, identity, resource, state, startedAt, endedAt, cause, message, clientAddress, application }: SessionSummary): Session => ({
  id,
  identity,
  resource,
  state,
  requestedAt: startedAt,
  endedAt,
  cause: cause === "" ? message : cause,
  clientAddress,
  application,
});
