import type { Grant } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import type { GrantView } from "../application/ports.ts";

export const grantView = ({ rules, approvers, onBehalfOf: _, ...view }: GrantView): Grant => ({ ...view, rule: rules.join(", "), approvers: [...approvers] });
