import { Grant } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import type { GrantView } from "../application/grant-ports.ts";
import { stepsView } from "./views.ts";

export function grantView(grant: GrantView): Grant {
  const { rules, approvers, onBehalfOf: _, votes, steps, denyBy, approverHours, escalation, escalated, ...view } = grant;
  return {
    ...view,
    rule: rules.join(", "),
    approvers: [...approvers],
    steps: stepsView({ steps, votes, escalatedTo: escalated ? escalation?.to : undefined }),
    denyBy: [...denyBy],
    approverHours: [...approverHours],
    requestEscalatesTo: escalated ? "" : (escalation?.to ?? ""),
    requestEscalatesAt: escalated ? undefined : escalation?.at,
  };
}

/** For who may end it and not look at it: that it is so, and nothing of what people wrote. */
export const endedView = ({ id, resource, state }: GrantView): Grant => Grant.fromPartial({ id, resource, state });
