import { type handleServerStreamingCall, type handleUnaryCall, Metadata, type ServiceError } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import { LEFT_OUT_METADATA } from "@sallyport/proto/tunnel/limits";
import type { Logger } from "pino";
import type { Authority } from "../application/authority.ts";
import type { CommandContext, Identities } from "../application/ports.ts";
import type { Principal } from "../domain/decision.ts";
import { pump } from "../grpc/pump.ts";
import { serviceErrorOf } from "../grpc/status.ts";
import { type Gate, gateOf } from "./gates.ts";

export interface ApiContext {
  readonly identities: Identities;
  readonly authority: Authority;
  readonly log: Logger;
  readonly newCorrelationId: () => string;
  /** What a later release wrote, and no answer holds. */
  readonly leftOut: () => LeftOut;
}

export interface LeftOut {
  /** That nothing is decided on, and that are in no list. */
  readonly streams: number;
  /** That are not in the lists of sessions and commands. */
  readonly events: number;
}

/** Who calls, and the context that their changes are recorded with. */
export interface Caller {
  readonly principal: Principal;
  readonly context: CommandContext;
}

/** One wrapper for all unary calls, so that every failure is mapped and logged exactly once. */
export function unary<Request, Response>(
  api: ApiContext,
  run: (request: Request, caller: Caller) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    admit(api, call.getPath(), call.metadata, call.getPeer())
      .then((caller) => run(call.request, caller))
      .then(
        (response) => callback(null, response, trailersOf(api.leftOut())),
        (error: unknown) => callback(report(api, call.getPath(), error)),
      );
  };
}

/** Streams what `run` yields, at the pace of the caller; stops when the caller is gone. */
export function streaming<Request, Response>(
  api: ApiContext,
  run: (request: Request, caller: Caller, signal: AbortSignal) => AsyncIterable<Response>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const gone = new AbortController();
    call.on("cancelled", () => gone.abort());
    const answer = async (): Promise<void> => {
      const caller = await admit(api, call.getPath(), call.metadata, call.getPeer());
      await pump(call, run(call.request, caller, gone.signal), gone.signal);
      if (!gone.signal.aborted) call.end();
    };
    answer().catch((error: unknown) => {
      if (!gone.signal.aborted) call.emit("error", report(api, call.getPath(), error));
    });
  };
}

/** No partial answer passes for a whole one. */
function trailersOf({ streams, events }: LeftOut): Metadata | undefined {
  if (streams === 0 && events === 0) return undefined;
  const trailers = new Metadata();
  trailers.set(LEFT_OUT_METADATA, `streams=${streams} events=${events}`);
  return trailers;
}

/** Who calls, once they may. */
async function admit(api: ApiContext, path: string, metadata: Metadata, peer: string): Promise<Caller> {
  const caller = await authenticate(api, metadata, peer);
  const gate = gateOf(path);
  // Nobody has said yet who may: a defect, and closed until then.
  if (gate === undefined) throw new Error(`The verb ${path} has no gate.`);
  if (gate.kind === "policy") requireAny(api, gate, caller);
  return caller;
}

/** Where no action is permitted, the refusal is that of the first. */
function requireAny({ authority }: ApiContext, { actions: [first, ...others], area }: Extract<Gate, { kind: "policy" }>, { principal }: Caller): void {
  if (!others.some((action) => authority.may({ principal, action, area }))) authority.require({ principal, action: first, area });
}

async function authenticate({ identities, newCorrelationId }: ApiContext, metadata: Metadata, peer: string): Promise<Caller> {
  const [value] = metadata.get("authorization");
  const [, token] = /^Bearer (\S+)$/.exec(typeof value === "string" ? value : "") ?? [];
  if (token === undefined) throw new SallyportError("auth.failed", "This call needs a token.");
  const { principal } = await identities.authenticate(token, peer);
  return { principal, context: { actor: { kind: principal.kind, id: principal.id }, correlationId: newCorrelationId() } };
}

function report({ log }: ApiContext, rpc: string, error: unknown): ServiceError {
  const known = SallyportError.from(error);
  if (known.code === "internal") log.error({ err: error, rpc }, "call failed");
  else log.info({ code: known.code, rpc }, "call refused");
  return serviceErrorOf(known);
}
