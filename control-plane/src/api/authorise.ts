import { SallyportError } from "@sallyport/proto/errors";
import type { Principal } from "../domain/decision.ts";

export { ADMINS, AUDITORS } from "../domain/roles.ts";

export function requireGroup(principal: Principal, ...groups: readonly string[]): void {
  if (groups.some((group) => principal.groups.includes(group))) return;
  throw new SallyportError("auth.forbidden", `This needs membership of ${groups.join(" or ")}.`, { identity: principal.id });
}

export const belongsTo = (principal: Principal, ...groups: readonly string[]): boolean => groups.some((group) => principal.groups.includes(group));
