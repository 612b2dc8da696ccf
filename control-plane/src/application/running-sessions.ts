import { SallyportError } from "@sallyport/proto/errors";
import { identityStream } from "../domain/identity/identity.events.ts";
import { resourceStream } from "../domain/resource/resource.events.ts";
import type { SessionEndCause } from "../domain/session/session.events.ts";
import type { LiveState } from "./live-state.ts";
import type { CommandContext } from "./ports.ts";

export interface RunningSession {
  readonly sessionId: string;
  readonly identityId: string;
  readonly tokenId: string;
  readonly resource: string;
}

/** Ends the session in its own protocol, and in the record. `by` is whoever ended it, when it was somebody. */
export type EndSession = (cause: SessionEndCause, message: string, by?: CommandContext) => void;

/** Puts to policy again whether the session may be open, and ends it when it may not. */
export type Reconsider = () => void;

export interface RunningSessions {
  /** The answer removes it again. */
  register(session: RunningSession, end: EndSession, reconsider?: Reconsider): () => void;
  /** Fails with `session.not_found` when it does not run here. */
  end(sessionId: string, reason: string, context: CommandContext): void;
  isRunning(sessionId: string): boolean;
  list(): readonly RunningSession[];
  endAll(cause: SessionEndCause, message: string): void;
}

/** Each is a decision of a tenth of a millisecond where it is not remembered; between turns other work runs. */
export const RECONSIDERED_PER_TURN = 100;

/**
 * The sessions of this process. One whose identity is disabled, or whose token is revoked, is ended at once. When what their opening was
 * decided on changes (policy, the identity's groups, the resource), each is put to policy again; its commands are anyway.
 */
export function createRunningSessions(live: Pick<LiveState, "onApplied" | "closed">): RunningSessions {
  const running = new Map<string, { readonly session: RunningSession; readonly end: EndSession; readonly reconsider: Reconsider | undefined }>();

  /** Not within the turn of the event: whoever publishes has the new policy ready by the next one. */
  function reconsiderWhere(matches: (session: RunningSession) => boolean): void {
    const chosen = [...running.values()].filter(({ session, reconsider }) => reconsider !== undefined && matches(session));
    const next = (): void => {
      for (const { session, reconsider } of chosen.splice(0, RECONSIDERED_PER_TURN)) if (running.has(session.sessionId)) reconsider?.();
      if (chosen.length > 0) setImmediate(next);
    };
    if (chosen.length > 0) setImmediate(next);
  }

  function endWhere(matches: (session: RunningSession) => boolean, cause: SessionEndCause, message: string): void {
    for (const { session, end } of running.values()) if (matches(session)) end(cause, message);
  }

  live.onApplied(({ event }) => {
    if (event.type === "IdentityDisabled") {
      endWhere(({ identityId }) => identityId === event.data.identityId, "identity_disabled", "The identity was disabled.");
    } else if (event.type === "PolicyPublished" || event.type === "ResourceChanged") {
      reconsiderWhere(() => true);
    } else if (event.type === "RolesChanged") {
      reconsiderWhere(({ identityId }) => identityId === event.data.identityId);
    } else if (event.type === "TokenRevoked") {
      endWhere(({ tokenId }) => tokenId === event.data.tokenId, "token_revoked", "The token of this session was revoked.");
    }
  });

  // It may have been disabled, or taken away: nobody can say any more.
  live.closed.onClosed(({ stream, why }) => {
    const concerns = ({ identityId, resource }: RunningSession): boolean => stream === identityStream(identityId) || stream === resourceStream(resource);
    endWhere(concerns, "ledger_lost", why.message);
  });

  return {
    register(session, end, reconsider) {
      const { sessionId } = session;
      if (running.has(sessionId)) throw new Error(`Session ${sessionId} is registered twice.`);
      running.set(sessionId, { session, end, reconsider });
      return () => void running.delete(sessionId);
    },

    end(sessionId, reason, context) {
      const found = running.get(sessionId);
      if (found === undefined) throw new SallyportError("session.not_found", "No such session is running here.", { sessionId });
      found.end("ended_by_administrator", reason, context);
    },

    isRunning: (sessionId) => running.has(sessionId),

    list: () => Array.from(running.values(), ({ session }) => session),

    endAll: (cause, message) => endWhere(() => true, cause, message),
  };
}
