import { SallyportError } from "@sallyport/proto/errors";
import { upcast } from "../domain/catalogue.ts";
import { approvalStream } from "../domain/approval/approval.events.ts";
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

/** Every stream that is about it: the sessions, their recordings, approvals and grants, and the identity or resource itself. One pass over the requests. */
export async function streamsAbout(ledger: Ledger, { kind, value }: AuditScope): Promise<ReadonlySet<string>> {
  const streams = new Set<string>();
  // A removed session has no beginning to be found by: what is left of it has its name.
  if (kind === "session") streams.add(sessionStream(value)).add(recordingStream(value));
  if (kind === "identity") streams.add(identityStream(value));
  if (kind === "resource") streams.add(resourceStream(value));
  const sessions = new Set<string>();
  for await (const recorded of ledger.readAll({
    filter: { by: "type", prefixes: ["SessionRequested", "ApprovalRequested", "AccessRequested", "GrantUsed"] },
  })) {
    const event = upcast(recorded);
    if (event.type === "SessionRequested") {
      const { sessionId, identity, resource } = event.data;
      const about = { session: sessionId, identity: identity.id, resource }[kind];
      if (about !== value) continue;
      sessions.add(sessionId);
      streams.add(sessionStream(sessionId)).add(recordingStream(sessionId));
    } else if (event.type === "ApprovalRequested" && sessions.has(event.data.sessionId)) {
      streams.add(approvalStream(event.data.approvalId));
    } else if (event.type === "AccessRequested") {
      const { grantId, requestedBy, resource } = event.data;
      if ({ session: undefined, identity: requestedBy, resource }[kind] === value) streams.add(grantStream(grantId));
    } else if (event.type === "GrantUsed" && sessions.has(event.data.sessionId)) {
      streams.add(grantStream(event.data.grantId));
    }
  }
  if (kind === "session" && sessions.size === 0 && !(await hasTombstones(ledger, sessionStream(value))))
    throw new SallyportError("session.not_found", "No such session.", { session: value });
  return streams;
}

async function hasTombstones(ledger: Ledger, stream: string): Promise<boolean> {
  if (isRemovable(ledger)) for await (const _tombstone of ledger.tombstones(stream)) return true;
  return false;
}
