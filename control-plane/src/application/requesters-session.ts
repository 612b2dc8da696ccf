import { upcast } from "../domain/catalogue.ts";
import { type ByGrant, type Circumstances, grantedIn, type Purpose } from "../domain/decision.ts";
import type { SessionEvent } from "../domain/session/session.events.ts";
import { sessionStream } from "../domain/session/session.events.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** What the record of a session says of the circumstances of its commands. */
export interface RequestersSession {
  readonly parameters: Readonly<Record<string, string>>;
  readonly clientAddress: string;
  readonly granted: ByGrant;
  readonly purpose: Purpose | undefined;
}

/** Undefined when it was never requested, or retention removed it. */
export async function readRequestersSession(ledger: Pick<Ledger, "readStream">, sessionId: string): Promise<RequestersSession | undefined> {
  let found: RequestersSession | undefined;
  for await (const recorded of ledger.readStream(sessionStream(sessionId))) {
    const event = upcast(recorded) as SessionEvent;
    if (event.type === "SessionRequested") {
      const { parameters, clientAddress } = event.data;
      found = { parameters, clientAddress, granted: false, purpose: undefined };
    } else if (found !== undefined && (event.type === "SessionOpened" || event.type === "SessionContinued"))
      found = { ...found, granted: grantedIn(event.data) };
    else if (found !== undefined && event.type === "PurposeStated") found = { ...found, purpose: { reason: event.data.reason, ticket: event.data.ticket } };
  }
  return found;
}

/** What policy is told of a command of it that runs now. */
export const circumstancesIn = ({ clientAddress, purpose }: RequestersSession, time: Date): Circumstances => ({
  time,
  clientAddress,
  ...(purpose === undefined ? {} : { purpose }),
});
