import {
  AgentServiceService,
  ApprovalServiceService,
  ErasureServiceService,
  EventServiceService,
  IdentityServiceService,
  PolicyServiceService,
  ResourceServiceService,
  SessionServiceService,
} from "@sallyport/proto/gen/sallyport/api/v1/api";
import { AuditServiceService } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import { DelegationServiceService } from "@sallyport/proto/gen/sallyport/api/v1/delegation";
import { GrantServiceService } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import { HistoryServiceService, ReadModelServiceService } from "@sallyport/proto/gen/sallyport/api/v1/history";
import { NotificationServiceService } from "@sallyport/proto/gen/sallyport/api/v1/notification";
import { PolicyChangeServiceService } from "@sallyport/proto/gen/sallyport/api/v1/policy";
import type { Area, OwnAction } from "../domain/decision.ts";

/** Who may call a verb. */
export type Gate =
  /** Decided before the verb runs, on the control plane itself; one of the actions is enough. */
  | { readonly kind: "policy"; readonly actions: readonly [OwnAction, ...OwnAction[]]; readonly area: Area }
  /** The verb asks the authority about the resource that it turns out to concern, and shows nothing of others. */
  | { readonly kind: "by_resource" }
  /** Other rules of the policy decide: `open`, `request`, `approve`, `break_glass`. */
  | { readonly kind: "other_rules" }
  /** Whoever has a token. */
  | { readonly kind: "signed_in" };

const replay = (area: Area): Gate => ({ kind: "policy", actions: ["replay"], area });
const administer = (area: Area): Gate => ({ kind: "policy", actions: ["administer"], area });
/** Where administering it is to agree to what others ask for: whoever decides on something must be able to read it. */
const read = (area: "policy" | "forgetting"): Gate => ({ kind: "policy", actions: ["replay", "administer"], area });
const byResource: Gate = { kind: "by_resource" };
const otherRules: Gate = { kind: "other_rules" };
const signedIn: Gate = { kind: "signed_in" };

/** One line for each verb: the compiler asks for the missing, and what has none is refused. */
const gatesOf = <Service extends Readonly<Record<string, { readonly path: string }>>>(
  service: Service,
  gates: Readonly<Record<keyof Service & string, Gate>>,
): (readonly [path: string, gate: Gate])[] => Object.entries(service).flatMap(([verb, { path }]) => (gates[verb] === undefined ? [] : [[path, gates[verb]]]));

const gates: ReadonlyMap<string, Gate> = new Map([
  ...gatesOf(IdentityServiceService, {
    getSelf: signedIn,
    putIdentity: administer("identities"),
    listIdentities: administer("identities"),
    disableIdentity: administer("identities"),
    listTokens: signedIn, // one's own; others' are asked for in the verb
    createToken: signedIn, // likewise
    revokeToken: signedIn, // likewise
  }),
  ...gatesOf(AgentServiceService, { createJoinToken: administer("agents"), listAgents: replay("agents"), revokeAgent: administer("agents") }),
  ...gatesOf(ResourceServiceService, { listResources: otherRules }),
  ...gatesOf(SessionServiceService, { listSessions: byResource, getSession: byResource, endSession: byResource, replaySession: byResource }),
  ...gatesOf(ApprovalServiceService, {
    listApprovals: byResource,
    getApproval: byResource,
    readCommand: byResource,
    approve: otherRules,
    deny: otherRules,
    preview: otherRules,
    proposeCounter: otherRules,
    requestPlan: otherRules,
    revokeApproval: byResource,
    acceptCounter: otherRules,
  }),
  ...gatesOf(GrantServiceService, {
    requestAccess: otherRules,
    listGrants: byResource,
    getGrant: byResource,
    approveAccess: otherRules,
    denyAccess: otherRules,
    withdrawAccessRequest: otherRules,
    revokeGrant: byResource,
    breakGlass: otherRules,
    reviewBreakGlass: otherRules,
  }),
  ...gatesOf(DelegationServiceService, {
    delegate: signedIn, // gives no more than one may decide on oneself, which other rules say
    listDelegations: signedIn, // one's own; the others are asked for in the verb
    endDelegation: signedIn, // likewise
  }),
  ...gatesOf(ErasureServiceService, {
    requestErasure: administer("forgetting"),
    listErasures: read("forgetting"),
    approveErasure: administer("forgetting"),
    denyErasure: administer("forgetting"),
  }),
  ...gatesOf(PolicyServiceService, {
    getPolicy: signedIn, // what somebody is refused by must be open to them
    checkPolicy: read("policy"),
    diffPolicy: read("policy"),
    publishPolicy: administer("policy"),
  }),
  ...gatesOf(PolicyChangeServiceService, {
    proposePolicy: administer("policy"),
    proposeEarlierPolicy: administer("policy"),
    approvePolicy: administer("policy"),
    rejectPolicy: administer("policy"),
    withdrawPolicy: administer("policy"),
    publishProposedPolicy: administer("policy"),
    listPolicyVersions: read("policy"),
    getPolicyVersion: read("policy"),
    tryPolicy: read("policy"),
  }),
  ...gatesOf(EventServiceService, { readEvents: replay("record") }),
  ...gatesOf(AuditServiceService, {
    export: byResource,
    promiseEvent: replay("record"),
    getCheckpoint: replay("record"),
    getRetention: replay("retention"),
    runRetention: administer("retention"),
  }),
  ...gatesOf(HistoryServiceService, {
    searchCommands: byResource,
    getStateAsOf: replay("history"),
    getAccessAsOf: replay("history"),
    getPolicyAsOf: replay("history"),
    explainDecision: byResource,
  }),
  ...gatesOf(ReadModelServiceService, { getReadModels: replay("read_models"), rebuildReadModels: administer("read_models") }),
  ...gatesOf(NotificationServiceService, { listNotifications: replay("notifications"), retryNotification: administer("notifications") }),
]);

export const gateOf = (path: string): Gate | undefined => gates.get(path);
