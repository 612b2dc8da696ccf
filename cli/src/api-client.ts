import { readFileSync } from "node:fs";
import { Client, credentials, Metadata, type MethodDefinition, type ServiceError, status } from "@grpc/grpc-js";
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
import { isErrorCode, SallyportError } from "@sallyport/proto/errors";
import { ERROR_CODE_METADATA, LEFT_OUT_METADATA } from "@sallyport/proto/tunnel/limits";
import { Unreachable } from "./exit-status.ts";
import { type Profile, readToken } from "./profile.ts";

/** A call that gets no answer within this is given up; streams have no such end. */
const CALL_MILLIS = 30_000;
/** A whole state of a large installation in one answer. */
const MAX_ANSWER_BYTES = 67_108_864;

const services = {
  identities: IdentityServiceService,
  agents: AgentServiceService,
  resources: ResourceServiceService,
  sessions: SessionServiceService,
  approvals: ApprovalServiceService,
  grants: GrantServiceService,
  delegations: DelegationServiceService,
  erasures: ErasureServiceService,
  policies: PolicyServiceService,
  policyChanges: PolicyChangeServiceService,
  events: EventServiceService,
  audit: AuditServiceService,
  history: HistoryServiceService,
  readModels: ReadModelServiceService,
  notifications: NotificationServiceService,
} as const;

type Services = typeof services;
type Method<Request, Response> = Pick<MethodDefinition<Request, Response>, "path" | "requestSerialize" | "responseDeserialize" | "responseStream">;
type Verb<M> =
  M extends Method<infer Request, infer Response>
    ? M extends { readonly responseStream: true }
      ? (request: Request) => AsyncGenerator<Response>
      : (request: Request, millis?: number) => Promise<Response>
    : never;

/** The control plane's API as one identity: `await api.grants.approveAccess({…})`. */
export type ApiClient = { readonly [Name in keyof Services]: { readonly [V in keyof Services[Name]]: Verb<Services[Name][V]> } } & { close(): void };

/** `leftOut` is told of answers that leave out what a later release wrote into the record, and how much that is. */
export function connectApi(profile: Profile, token: string = readToken(profile), leftOut: (what: string) => void = () => undefined): ApiClient {
  const client = new Client(profile.apiAddress, credentials.createSsl(readFileSync(profile.caFile)), { "grpc.max_receive_message_length": MAX_ANSWER_BYTES });
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${token}`);

  const unary = <Request, Response>({ path, requestSerialize, responseDeserialize }: Method<Request, Response>, request: Request, millis: number) =>
    new Promise<Response>((resolve, reject) => {
      const options = { deadline: Date.now() + millis };
      const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, options, (error, response) => {
        if (error === null) resolve(response as Response);
        else reject(failureOf(error, profile));
      });
      call.on("status", ({ metadata: trailers }) => {
        const [what] = trailers.get(LEFT_OUT_METADATA);
        if (typeof what === "string") leftOut(what);
      });
    });

  async function* streaming<Request, Response>({ path, requestSerialize, responseDeserialize }: Method<Request, Response>, request: Request) {
    const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata);
    try {
      for await (const response of call) yield response as Response;
    } catch (error) {
      throw isServiceError(error) ? failureOf(error, profile) : error;
    } finally {
      call.cancel();
    }
  }

  const verb =
    (method: Method<unknown, unknown>) =>
    (request: unknown, millis = CALL_MILLIS) =>
      method.responseStream ? streaming(method, request) : unary(method, request, millis);
  const verbs = Object.entries(services).map(([name, service]) => {
    const methods = Object.entries(service) as unknown as [string, Method<unknown, unknown>][];
    return [name, Object.fromEntries(methods.map(([each, method]) => [each, verb(method)]))];
  });
  return { ...Object.fromEntries(verbs), close: () => client.close() } as ApiClient;
}

function failureOf(error: ServiceError, { apiAddress }: Profile): Error {
  const [code] = error.metadata.get(ERROR_CODE_METADATA);
  if (typeof code === "string" && isErrorCode(code)) return new SallyportError(code, error.details);
  if (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED)
    return new Unreachable(`The control plane at ${apiAddress} does not answer: ${error.details}`);
  return new SallyportError("internal", error.details);
}

const isServiceError = (error: unknown): error is ServiceError => error instanceof Error && "metadata" in error && "details" in error;
