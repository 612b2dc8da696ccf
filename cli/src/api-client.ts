import { readFileSync } from "node:fs";
import { type ClientReadableStream, type ClientUnaryCall, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  AgentServiceClient,
  ApprovalServiceClient,
  ErasureServiceClient,
  EventServiceClient,
  IdentityServiceClient,
  PolicyServiceClient,
  ResourceServiceClient,
  SessionServiceClient,
} from "@sallyport/proto/gen/sallyport/api/v1/api";
import { DelegationServiceClient } from "@sallyport/proto/gen/sallyport/api/v1/delegation";
import { GrantServiceClient } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import { HistoryServiceClient, ReadModelServiceClient } from "@sallyport/proto/gen/sallyport/api/v1/history";
import { PolicyChangeServiceClient } from "@sallyport/proto/gen/sallyport/api/v1/policy";
import { NotificationServiceClient } from "@sallyport/proto/gen/sallyport/api/v1/notification";
import { AuditServiceClient } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import { isErrorCode, SallyportError } from "@sallyport/proto/errors";
import { Unreachable } from "./exit-status.ts";
import { type Profile, readToken } from "./profile.ts";

/** A call that gets no answer within this is given up; streams have no such end. */
const CALL_MILLIS = 30_000;
/** A whole state of a large installation in one answer; elsewhere gRPC's own 4 MiB is enough. */
const MAX_ANSWER_BYTES = 67_108_864;

type Callback<Response> = (error: ServiceError | null, response: Response) => void;
type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { readonly deadline: number },
  callback: Callback<Response>,
) => ClientUnaryCall;

/** The control plane's API as one identity. */
export class ApiClient {
  readonly identities: IdentityServiceClient;
  readonly agents: AgentServiceClient;
  readonly resources: ResourceServiceClient;
  readonly sessions: SessionServiceClient;
  readonly approvals: ApprovalServiceClient;
  readonly grants: GrantServiceClient;
  readonly delegations: DelegationServiceClient;
  readonly erasures: ErasureServiceClient;
  readonly policies: PolicyServiceClient;
  readonly policyChanges: PolicyChangeServiceClient;
  readonly events: EventServiceClient;
  readonly audit: AuditServiceClient;
  readonly history: HistoryServiceClient;
  readonly readModels: ReadModelServiceClient;
  readonly notifications: NotificationServiceClient;
  readonly metadata: Metadata;
  /** What a later release wrote, and the last answer did not hold; empty when it is whole. */
  leftOut = "";
  readonly #address: string;

  constructor({ apiAddress, caFile }: Profile, token: string) {
    const tls = credentials.createSsl(readFileSync(caFile));
    this.#address = apiAddress;
    this.identities = new IdentityServiceClient(apiAddress, tls);
    this.agents = new AgentServiceClient(apiAddress, tls);
    this.resources = new ResourceServiceClient(apiAddress, tls);
    this.sessions = new SessionServiceClient(apiAddress, tls);
    this.approvals = new ApprovalServiceClient(apiAddress, tls);
    this.grants = new GrantServiceClient(apiAddress, tls);
    this.delegations = new DelegationServiceClient(apiAddress, tls);
    this.erasures = new ErasureServiceClient(apiAddress, tls);
    this.policies = new PolicyServiceClient(apiAddress, tls);
    this.policyChanges = new PolicyChangeServiceClient(apiAddress, tls);
    this.events = new EventServiceClient(apiAddress, tls);
    this.audit = new AuditServiceClient(apiAddress, tls);
    this.history = new HistoryServiceClient(apiAddress, tls, { "grpc.max_receive_message_length": MAX_ANSWER_BYTES });
    this.readModels = new ReadModelServiceClient(apiAddress, tls);
    this.notifications = new NotificationServiceClient(apiAddress, tls);
    this.metadata = new Metadata();
    this.metadata.set("authorization", `Bearer ${token}`);
  }

  static of(profile: Profile): ApiClient {
    return new ApiClient(profile, readToken(profile));
  }

  /** `method` must be bound to its client: `client.call(client.approvals.approve.bind(client.approvals), {…})`. */
  call<Request, Response>(method: UnaryMethod<Request, Response>, request: Request, millis = CALL_MILLIS): Promise<Response> {
    return new Promise((resolve, reject) => {
      const call = method(request, this.metadata, { deadline: Date.now() + millis }, (error, response) => {
        if (error === null) resolve(response);
        else reject(this.#failure(error));
      });
      call.on("status", ({ metadata }) => {
        const [leftOut] = metadata.get("sallyport-left-out");
        if (typeof leftOut === "string") this.leftOut = leftOut;
      });
    });
  }

  async *stream<Response>(call: ClientReadableStream<Response>): AsyncGenerator<Response> {
    try {
      for await (const response of call) yield response as Response;
    } catch (error) {
      throw isServiceError(error) ? this.#failure(error) : error;
    } finally {
      call.cancel();
    }
  }

  close(): void {
    for (const client of [this.identities, this.agents, this.resources, this.sessions, this.approvals, this.erasures, this.policies, this.events, this.audit])
      client.close();
    for (const client of [this.policyChanges, this.grants, this.history, this.readModels, this.notifications]) client.close();
  }

  #failure(error: ServiceError): Error {
    const [code] = error.metadata.get("sallyport-error-code");
    if (typeof code === "string" && isErrorCode(code)) return new SallyportError(code, error.details);
    if (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED)
      return new Unreachable(`The control plane at ${this.#address} does not answer: ${error.details}`);
    return new SallyportError("internal", error.details);
  }
}

const isServiceError = (error: unknown): error is ServiceError => error instanceof Error && "metadata" in error && "details" in error;
