import type { PolicyProblem } from "../application/policy-ports.ts";
import { areas } from "../domain/decision.ts";
import type { Rule } from "./rule.ts";

/**
 * Finds rules whose @notify tells nobody anything: of `administer` only proposals of policies are told. By their words alone, as
 * `compareRules` does: what it says is true, and not all that is true is said.
 */
export function notifyWithoutEffect(rules: readonly Rule[]): PolicyProblem[] {
  const message = `Nobody is told anything: of Action::"administer" proposals of policies are told, and this is about something else.`;
  return rules.flatMap(({ notify, namedActions, form, source: { file, line } }): PolicyProblem[] => {
    const isOnlyThat = notify.length > 0 && namedActions.length > 0 && namedActions.every((action) => action === "administer");
    const isElsewhere = form.conditions.some((condition) => otherAreas.has(condition)) || aboutResources.some((scope) => form.resource.includes(scope));
    return isOnlyThat && isElsewhere ? [{ severity: "warning", file, line, message }] : [];
  });
}

/** As `formOf` writes `context.area == "tokens"`. */
const otherAreas: ReadonlySet<string> = new Set(
  areas
    .filter((area) => area !== "policy")
    .map((area) => JSON.stringify({ "==": { left: { ".": { left: { Var: "context" }, attr: "area" } }, right: { Value: area } } })),
);

/** And `resource == Resource::"orders"`, `resource is Resource`. In a name the quotes would have backslashes. */
const aboutResources = [`"type":"Resource"`, `"entity_type":"Resource"`];
