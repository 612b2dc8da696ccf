import { SallyportError } from "@sallyport/proto/errors";
import { upcast } from "../domain/catalogue.ts";
import { approvalStream } from "../domain/approval/approval.events.ts";
import { delegationStream } from "../domain/delegation/delegation.events.ts";
import { grantStream } from "../domain/grant/grant.events.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { resourceStream } from "../domain/resource/resource.events.ts";
import { recordingStream } from "../domain/session/recording.events.ts";
import { sessionStream } from "../domain/session/session.events.ts";
import { isRemovable, type Ledger } from "../ledger/ledger.ts";

/** What an auditor asks for, when it is not a range. */
export interface AuditScope {
  readonly kind: "session" | "identity" | "resource";
  readonly value: string;
}

/** What says who and what the others are about. Whatever uses another one names its session. */
const TYPES = ["SessionRequested", "ApprovalRequested", "ApprovalUsed", "AccessRequested", "GrantUsed", "DelegationGiven"];

/**
 * Every stream that is about it: the sessions, their recordings, the approvals and grants that were asked for or used in them, plans,
 * delegations, and the identity or resource itself. One pass over the requests.
 */
export async function streamsAbout(ledger: Ledger, { kind, value }: AuditScope): Promise<ReadonlySet<string>> {
  const streams = new Set<string>();
  // A removed session has no beginning to be found by: what is left of it has its name.
  if (kind === "session") streams.add(sessionStream(value)).add(recordingStream(value));
  if (kind === "identity") streams.add(identityStream(value));
  if (kind === "resource") streams.add(resourceStream(value));
  const sessions = new Set<string>();
  const isAbout = (requestedBy: string, resource: string): boolean => ({ session: undefined, identity: requestedBy, resource })[kind] === value;
  for await (const recorded of ledger.readAll({ filter: { by: "type", prefixes: TYPES } })) {
    const event = upcast(recorded);
    switch (event.type) {
      case "SessionRequested": {
        const { sessionId, identity, resource } = event.data;
        if (!(kind === "session" ? sessionId === value : isAbout(identity.id, resource))) break;
        sessions.add(sessionId);
        streams.add(sessionStream(sessionId)).add(recordingStream(sessionId));
        break;
      }
      case "ApprovalRequested": {
        const { approvalId, sessionId, requestedBy, resource } = event.data;
        // A plan is asked for outside of any session.
        if (sessions.has(sessionId) || isAbout(requestedBy, resource)) streams.add(approvalStream(approvalId));
        break;
      }
      case "AccessRequested":
        if (isAbout(event.data.requestedBy, event.data.resource)) streams.add(grantStream(event.data.grantId));
        break;
      case "ApprovalUsed":
        if (sessions.has(event.data.sessionId)) streams.add(approvalStream(event.data.approvalId));
        break;
      case "GrantUsed":
        if (sessions.has(event.data.sessionId)) streams.add(grantStream(event.data.grantId));
        break;
      case "DelegationGiven":
        if (kind === "identity" && (event.data.from === value || event.data.to === value)) streams.add(delegationStream(event.data.delegationId));
        break;
      default:
    }
  }
  if (kind === "session" && sessions.size === 0 && !(await hasTombstones(ledger, sessionStream(value))))
    throw new SallyportError("session.not_found", "No such session.", { session: value });
  // A slip of the pen must not read as "nothing on record".
  if (kind !== "session" && streams.size === 1 && !(await hasEvents(ledger, kind === "identity" ? identityStream(value) : resourceStream(value))))
    throw new SallyportError(`${kind}.not_found`, `No such ${kind}.`, { [kind]: value });
  return streams;
}

async function hasEvents(ledger: Ledger, stream: string): Promise<boolean> {
  for await (const _event of ledger.readStream(stream, { limit: 1 })) return true;
  return false;
}

async function hasTombstones(ledger: Ledger, stream: string): Promise<boolean> {
  if (isRemovable(ledger)) for await (const _tombstone of ledger.tombstones(stream)) return true;
  return false;
}
