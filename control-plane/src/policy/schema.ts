import { readFileSync } from "node:fs";
import type { PolicyAction } from "../domain/decision.ts";

/** In a file of its own, so that editors and the documentation can use it. */
export const policySchema = readFileSync(new URL("./schema.cedarschema", import.meta.url), "utf8");

/**
 * What a rule that names no action is about. The others came later, and have to be named: no rule of then may open the record, or close the
 * way in, and each of them fits what the schema was.
 */
export const sessionActions = ["open", "run", "approve", "request", "break_glass"] as const satisfies readonly PolicyAction[];
/** What people can be asked to agree to. */
export const isApprovable = (action: PolicyAction): boolean => action === "run" || action === "request";

export const policyActions = [...sessionActions, "replay", "administer"] as const satisfies readonly PolicyAction[];

const OWN_PART = "// The control plane itself.";

/** The schema of `sessionActions` alone. */
export const sessionSchema = policySchema.slice(0, policySchema.indexOf(OWN_PART));
