import { readFileSync } from "node:fs";
import type { PolicyAction } from "../domain/decision.ts";

/** In a file of its own, so that editors and the documentation can use it. */
export const policySchema = readFileSync(new URL("./schema.cedarschema", import.meta.url), "utf8");

export const policyActions = ["open", "run", "approve", "request", "break_glass"] as const satisfies readonly PolicyAction[];
