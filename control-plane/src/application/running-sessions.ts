import { SallyportError } from "@sallyport/proto/errors";
import type { SessionEndCause } from "../domain/session/session.events.ts";
import type { LiveState } from "./live-state.ts";
import type { CommandContext } from "./ports.ts";

export interface RunningSession {
  readonly sessionId: string;
  readonly identityId: string;
  readonly tokenId: string;
}

/** Ends the session in its own protocol, and in the record. `by` is whoever ended it, when it was somebody. */
export type EndSession = (cause: SessionEndCause, message: string, by?: CommandContext) => void;

export interface RunningSessions {
  /** The answer removes it again. */
  register(session: RunningSession, end: EndSession): () => void;
  /** Fails with `session.not_found` when it does not run here. */
  end(sessionId: string, reason: string, context: CommandContext): void;
  isRunning(sessionId: string): boolean;
  list(): readonly RunningSession[];
  endAll(cause: SessionEndCause, message: string): void;
}

/** The sessions of this process. One whose identity is disabled, or whose token is revoked, is ended at once. */
export function createRunningSessions(live: Pick<LiveState, "onApplied">): RunningSessions {
  const running = new Map<string, { readonly session: RunningSession; readonly end: EndSession }>();

  function endWhere(matches: (session: RunningSession) => boolean, cause: SessionEndCause, message: string): void {
    for (const { session, end } of running.values()) if (matches(session)) end(cause, message);
  }

  live.onApplied(({ event }) => {
    if (event.type === "IdentityDisabled") {
      endWhere(({ identityId }) => identityId === event.data.identityId, "identity_disabled", "The identity was disabled.");
    } else if (event.type === "TokenRevoked") {
      endWhere(({ tokenId }) => tokenId === event.data.tokenId, "token_revoked", "The token of this session was revoked.");
    }
  });

  return {
    register(session, end) {
      const { sessionId } = session;
      if (running.has(sessionId)) throw new Error(`Session ${sessionId} is registered twice.`);
      running.set(sessionId, { session, end });
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
