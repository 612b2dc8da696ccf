import { eventTypes, schemaVersionOf } from "../../control-plane/src/domain/catalogue.ts";
import type { EventType } from "../../control-plane/src/domain/events.ts";

/** The release in which each version of each event was first written. A new event, or a new version (`Type.v2`), is a word under its release. */
const introduced: Readonly<Record<string, string>> = {
  "0.1.0": `
    AccessApproved AccessDenied AccessGranted AccessRequested AccessRequestExpired AccessRequestWithdrawn AgentCertificateIssued AgentConnected AgentDisconnected AgentEnrolled AgentNameReserved AgentRevoked ApprovalConsumed ApprovalCounterAccepted ApprovalCounterProposed ApprovalDenied
    ApprovalEscalated ApprovalPreviewRequested ApprovalPreviewed ApprovalPreviewFailed ApprovalExpired ApprovalGiven ApprovalGranted ApprovalGranted.v2 ApprovalUsed ApprovalRequested ApprovalRevoked ApprovalWithdrawn CheckpointSigned CommandAuthorized
    CommandCompleted CommandDenied CommandHeld CommandReleased ErasureApproved ErasureDenied ErasureGranted ErasureRequested FailClosedEntered FailClosedLeft ForwardingAttested GrantExpired GrantRevoked GrantUsed IdentityDisabled IdentityProvisioned
    InputRecorded JoinTokenIssued NodeStarted NodeStopped NotificationFailed NotificationRetried OutputRecorded ResourceChanged
    ResourceRegistered ResourceRetired RetentionFinished RetentionStarted RolesChanged SessionEnded SessionEnded.v2 SessionEnded.v3 SessionOpened SessionOpened.v2 SessionRefused SessionRefused.v2
    PolicyApproved PolicyLoadFailed PolicyProposalWithdrawn PolicyProposed PolicyProposed.v2 PolicyPublished PolicyPublished.v2 PolicyRejected PolicyRetired PolicySuperseded PolicyTried
    SessionRequested SigningKeyRotated SignInFailed StreamsRemoved SubjectKeyDestroyed TokenIssued TokenRevoked AccessApproved.v2 AccessDenied.v2
    AccessRequested.v2 ApprovalDenied.v2 ApprovalGiven.v2 ApprovalRequested.v2 CommandAuthorized.v2 CommandCompleted.v2 CommandDenied.v2 CommandHeld.v2
    CommandReleased.v2 PurposeStated SessionOpened.v3 SessionRefused.v3
    AccessApproved.v3 AccessDenied.v3 AccessRequested.v3 AccessRequestEscalated DelegationEnded DelegationExpired DelegationGiven
    ApprovalGiven.v3 ApprovalGranted.v3 ApprovalDenied.v3
    BreakGlassOpened BreakGlassReviewed BreakGlassReviewOverdue
    ApprovalCounterProposed.v2 ApprovalRequested.v3 CommandAuthorized.v3 CommandDenied.v3 CommandHeld.v3
    PolicyProposed.v3 PolicyRejected.v2 PolicyProposalWithdrawn.v2 PolicySuperseded.v2 PolicyPublished.v3
    CopyDataRecorded ApprovalRevoked.v2 GrantRevoked.v2
    SessionContinued ApprovalRequested.v4`,
};

const releases = new Map(
  Object.entries(introduced).flatMap(([release, words]) =>
    words
      .trim()
      .split(/\s+/)
      .map((word) => [word, release] as const),
  ),
);

/** Of today's version; a later one is named `Type.v2`. Fails on an event that nobody gave a release. */
export function releaseOf(type: EventType): string {
  const version = schemaVersionOf(type);
  const release = releases.get(version === 1 ? type : `${type}.v${String(version)}`);
  if (release === undefined) throw new Error(`Since which release is ${type}, version ${String(version)}? .ci/documents/event-releases.ts does not say.`);
  return release;
}

/** Words that are no event of today: misspelt, or of an event that was taken out, which no released one ever is. */
export const strayReleases = (): readonly string[] =>
  [...releases.keys()].filter((word) => !eventTypes.some((type) => word === type || word.startsWith(`${type}.v`)));
