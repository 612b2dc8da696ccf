import type { Metadata } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { Ledger } from "../ledger.ts";
import { type Access, credentialsOf, type Rights } from "./access.ts";
import type { Groups } from "./groups/groups.ts";
import { type Refusal, refusalOf } from "./refusal.ts";
import type { StreamAppender } from "./stream-appender.ts";

/** What every call of the endpoint works with. */
export interface EndpointContext {
  readonly ledger: Ledger;
  readonly access: Access;
  readonly appender: StreamAppender;
  readonly groups: Groups;
  readonly log: Logger;
  /** Aborts when the endpoint closes: subscriptions would never end by themselves. */
  readonly closing: AbortSignal;
}

interface IncomingCall {
  readonly metadata: Metadata;
  getPeer(): string;
}

export const signIn = async ({ access }: EndpointContext, call: IncomingCall): Promise<Rights> => access.signIn(credentialsOf(call.metadata), call.getPeer());

export async function signInToAppend(context: EndpointContext, call: IncomingCall): Promise<void> {
  const { append } = await signIn(context, call);
  if (!append) throw new SallyportError("auth.forbidden", "This ledger is open for reading only.");
}

/** How soon a subscription ends whose reader may no more. */
export const RECHECK_MS = 1_000;

/** Asks again while a call lives, until `signal` aborts; the first refusal is the last. */
export function recheck(signedIn: () => Promise<unknown>, signal: AbortSignal, refuse: (error: unknown) => void): void {
  const rechecking = setInterval(() => {
    signedIn().catch((error: unknown) => {
      if (!signal.aborted) refuse(error);
    });
  }, RECHECK_MS);
  signal.addEventListener("abort", () => clearInterval(rechecking));
}

/** Maps a failure, and logs it once: a defect of ours loudly, a refusal for whoever looks. */
export function refused({ log }: EndpointContext, rpc: string, error: unknown): Refusal {
  const refusal = refusalOf(error);
  if (refusal.kind === "internal") log.error({ err: error, rpc }, "ledger call failed");
  else log.debug({ refusal: refusal.kind, rpc }, "ledger call refused");
  return refusal;
}
