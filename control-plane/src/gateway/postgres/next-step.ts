import type { SallyportError } from "@sallyport/proto/errors";
import { howToState } from "./purpose-required.ts";
import { howToAsk } from "../../domain/grant/grant.decider.ts";

/** What somebody who was shut out can do about it; undefined where that is nothing that we know of. */
export function nextStep(error: SallyportError): string | undefined {
  const { code, details } = error;
  if (code === "policy.purpose_required") return howToState(error, "start");
  if (code === "ledger.too_large")
    return "The event of a command has room for some 20,000 parameters: send fewer rows at a time. Nothing was sent to the target.";
  if (details["access"] === OPEN_NOW) return "Connect again: it is open to you now, and a session goes on only with access of the kind that it began with.";
  const resource = details["resource"];
  if (resource === undefined) return undefined;
  const mayAsk = code === "grant.expired" || code === "grant.revoked" || details["access"] === ON_REQUEST;
  return mayAsk ? howToAsk(resource) : undefined;
}

/** In the details of the end of a session's grant, where whoever used it has access all the same. */
export const OPEN_NOW = "open now";

/** In the details of a refusal to open what may be asked for. */
export const ON_REQUEST = "on request";
