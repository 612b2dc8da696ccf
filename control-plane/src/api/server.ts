import { Server, type ServerCredentials } from "@grpc/grpc-js";
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
import { HistoryServiceService, ReadModelServiceService } from "@sallyport/proto/gen/sallyport/api/v1/history";
import { DelegationServiceService } from "@sallyport/proto/gen/sallyport/api/v1/delegation";
import { GrantServiceService } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import { PolicyChangeServiceService } from "@sallyport/proto/gen/sallyport/api/v1/policy";
import { NotificationServiceService } from "@sallyport/proto/gen/sallyport/api/v1/notification";
import { AuditServiceService } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import { EnrolmentServiceService, type EnrolmentServiceServer } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { commandText } from "../application/command-text.ts";
import type { Application } from "../application/application.ts";
import type { AgentLinks } from "../application/ports.ts";
import type { Previews } from "../application/preview-ports.ts";
import type { ReadModelsService } from "../application/projections/read-models.ts";
import type { Retention } from "../application/retention/retention.ts";
import type { TimeTravel } from "../application/time-travel/time-travel.ts";
import type { Trials } from "../application/what-if/trials.ts";
import { listen, type Place, shutDown } from "../grpc/listen.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Notifications } from "../notify/notifications.process.ts";
import { agentService } from "./agent-service.ts";
import { type Audit, auditService } from "./audit-service.ts";
import { approvalService, type InspectPlan, type InspectProposal } from "./approval-service.ts";
import { delegationService } from "./delegation-service.ts";
import { erasureService } from "./erasure-service.ts";
import { eventService } from "./event-service.ts";
import { grantService } from "./grant-service.ts";
import { historyService } from "./history-service.ts";
import { identityService } from "./identity-service.ts";
import { policyChangeService } from "./policy-change-service.ts";
import { notificationService } from "./notification-service.ts";
import { policyService } from "./policy-service.ts";
import { readModelService } from "./read-model-service.ts";
import { resourceService } from "./resource-service.ts";
import { sessionService } from "./session-service.ts";
import type { ApiContext } from "./unary.ts";

export interface ApiServerOptions extends Place {
  readonly context: ApiContext;
  readonly application: Application;
  readonly ledger: Ledger;
  /** The same with what others wrote into it. */
  readonly readable: Ledger;
  readonly audit: Audit;
  readonly storedStream: (stream: string) => string;
  readonly readModels: ReadModelsService;
  readonly retention: Retention;
  readonly notifications: Pick<Notifications, "list" | "retry">;
  readonly timeTravel: TimeTravel;
  readonly trials: Trials;
  readonly links: AgentLinks;
  readonly previews: Previews;
  readonly enrolment: EnrolmentServiceServer;
  readonly inspectProposal: InspectProposal;
  readonly inspectPlan: InspectPlan;
  readonly credentials: ServerCredentials;
  readonly caFingerprint: string;
  /** host:port that others reach this server by, once its port is known. */
  readonly address: (port: number) => string;
  readonly maxTokenTtlSeconds: number;
  readonly maxJoinTtlSeconds: number;
}

/** A request is a few policy files at most; everything else is far smaller. */
const MAX_REQUEST_BYTES = 4 * 1_048_576;
const SHUTDOWN_MILLIS = 2_000;

/** The API for the command line, and the enrolment of agents: TLS, one token per call. */
export async function startApiServer(options: ApiServerOptions): Promise<{ readonly port: number; close(): Promise<void> }> {
  const { context, application, links, readModels, timeTravel } = options;
  const { agents, resources, policies, approvals, grants, sessions, running, recordedResources } = application;
  const server = new Server({ "grpc.max_receive_message_length": MAX_REQUEST_BYTES, "grpc.enable_channelz": 0 });
  let port = options.port;
  server.addService(IdentityServiceService, identityService(context, options.maxTokenTtlSeconds));
  server.addService(
    AgentServiceService,
    agentService(context, {
      agents,
      resources,
      links,
      apiAddress: () => options.address(port),
      caFingerprint: options.caFingerprint,
      maxTtlSeconds: options.maxJoinTtlSeconds,
    }),
  );
  server.addService(ResourceServiceService, resourceService(context, { resources, policies, grants, links }));
  server.addService(SessionServiceService, sessionService(context, { sessions, running, resources: recordedResources, readModels }));
  server.addService(
    ApprovalServiceService,
    approvalService(context, {
      approvals,
      resources: recordedResources,
      inspect: options.inspectProposal,
      inspectPlan: options.inspectPlan,
      previews: options.previews,
      readCommand: ({ sessionId, command }) => commandText(options.ledger, sessionId, command),
    }),
  );
  server.addService(GrantServiceService, grantService(context, { grants, resources: recordedResources }));
  server.addService(DelegationServiceService, delegationService(context, application.delegations));
  server.addService(PolicyServiceService, policyService(context, policies));
  server.addService(
    PolicyChangeServiceService,
    policyChangeService(context, { policies, identities: application.identities, resources: recordedResources, trials: options.trials }),
  );
  server.addService(EventServiceService, eventService(context, options.readable));
  server.addService(ErasureServiceService, erasureService(context, application.erasures));
  server.addService(AuditServiceService, auditService(context, { ...options, erasures: application.erasures, sessions, resources: recordedResources }));
  server.addService(HistoryServiceService, historyService(context, { readModels, timeTravel, sessions, resources: recordedResources }));
  server.addService(ReadModelServiceService, readModelService(context, readModels));
  server.addService(NotificationServiceService, notificationService(context, options.notifications));
  server.addService(EnrolmentServiceService, options.enrolment);
  port = await listen(server, options.credentials, options, "The API", ["SALLYPORT_HOST", "SALLYPORT_API_PORT"]);
  return { port, close: () => shutDown(server, SHUTDOWN_MILLIS) };
}
