import type { HistoryServiceServer, Moment as MomentMessage, SearchCommandsRequest } from "@sallyport/proto/gen/sallyport/api/v1/history";
import { SallyportError } from "@sallyport/proto/errors";
import type { CommandQuery } from "../application/projections/read-model-store.ts";
import type { ReadModelsService } from "../application/projections/read-models.ts";
import type { RecordedResources } from "../application/recorded-resources.ts";
import type { Sessions } from "../application/sessions.ts";
import type { Moment } from "../application/time-travel/moment.ts";
import type { TimeTravel } from "../application/time-travel/time-travel.ts";
import { visibleSessions } from "../application/visible-sessions.ts";
import type { Principal } from "../domain/decision.ts";
import { accessView, asOfView, explanationView, foundCommand, ownAccessView, stateView } from "./history-views.ts";
import { cursorOf, requireInstant, spanOf, textOf } from "./paging.ts";
import { type ApiContext, unary } from "./unary.ts";

const DEFAULT_FOUND = 50;
/** A page; statements of up to some tens of KB each have to fit an answer. */
const MAX_FOUND = 200;
/** Longer is a document, not a search. */
const MAX_WORDS_CHARACTERS = 500;

export interface HistoryServiceDeps {
  readonly readModels: Pick<ReadModelsService, "commands">;
  readonly timeTravel: TimeTravel;
  readonly sessions: Pick<Sessions, "get">;
  readonly resources: RecordedResources;
}

export function historyService(api: ApiContext, { readModels, timeTravel, sessions, resources }: HistoryServiceDeps): HistoryServiceServer {
  async function requireHistoryOf(sessionId: string, principal: Principal): Promise<void> {
    const about = { principal, action: "replay", area: "history" } as const;
    let session;
    try {
      session = await sessions.get(sessionId);
    } catch (error) {
      // Whether there is, or was, such a session is told to those who may look at history.
      api.authority.require(about);
      throw error;
    }
    api.authority.require({ ...about, resource: resources.of(session.resource), own: session.identity === principal.id });
  }
  return {
    searchCommands: unary(api, async (request, { principal }) => {
      const visible = await visibleSessions({ authority: api.authority, resources }, principal, request.identity);
      const { rows, next } = await readModels.commands({ ...queryOf(request), ...(visible === undefined ? {} : { visible }) });
      return { commands: rows.map(foundCommand), nextCursor: textOf(next) };
    }),
    getStateAsOf: unary(api, async ({ moment }) => {
      return stateView(await timeTravel.state(momentOf(moment)));
    }),
    getAccessAsOf: unary(api, async ({ moment, identity, resource }) => {
      const filter = { ...(identity === "" ? {} : { identity }), ...(resource === "" ? {} : { resource }) };
      const { asOf, policyVersion, access, own } = await timeTravel.access(momentOf(moment), filter);
      return { asOf: asOfView(asOf), policyVersion: policyVersion ?? "", access: access.map(accessView), own: own.map(ownAccessView) };
    }),
    getPolicyAsOf: unary(api, async ({ moment }) => {
      const { asOf, policy } = await timeTravel.policy(momentOf(moment));
      return {
        asOf: asOfView(asOf),
        version: policy?.version ?? "",
        files: [...(policy?.files ?? [])],
        publishedBy: policy?.by ?? "",
        publishedAt: policy?.at,
        reason: policy?.reason ?? "",
      };
    }),
    explainDecision: unary(api, async ({ sessionId, commandId }, { principal }) => {
      await requireHistoryOf(sessionId, principal);
      return explanationView(await timeTravel.explain(sessionId, commandId));
    }),
  };
}

function momentOf(message: MomentMessage | undefined): Moment {
  const at = message?.at;
  if (at === undefined) throw new SallyportError("input.invalid", "A moment is a position or an instant.", { field: "moment" });
  return at.$case === "position" ? { kind: "position", position: at.value } : { kind: "instant", at: requireInstant("moment", at.value) };
}

function queryOf({ words, identity, resource, since, until, cursor, limit }: SearchCommandsRequest): CommandQuery {
  if (words.length > MAX_WORDS_CHARACTERS)
    throw new SallyportError("input.invalid", `A search is at most ${MAX_WORDS_CHARACTERS} characters long.`, { field: "words" });
  return {
    words,
    limit: Math.min(limit || DEFAULT_FOUND, MAX_FOUND),
    ...(identity === "" ? {} : { identity }),
    ...(resource === "" ? {} : { resource }),
    ...spanOf({ since, until }),
    ...cursorOf(cursor),
  };
}
