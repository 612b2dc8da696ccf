import type { PolicyProblem } from "../application/policy-ports.ts";
import { annotationPlaces } from "./annotations.ts";
import { ANYTHING } from "./rule-form.ts";
import type { Rule } from "./rule.ts";

/**
 * Finds rules that can have no effect beside others: by their words alone, so that what it says is true, and not all that is true is said.
 *
 * W1. One covers another when it is met whenever the other one is: its scope is the same or unlimited, and each of its conditions is
 *     one of the other's.
 * W2. A permit that a forbid covers never permits. One that another permit covers, and that asks for nothing in return, adds nothing.
 * W3. Permits that decide together escalate only where all do so alike: beside one that covers it, and escalates otherwise or not at all,
 *     a permit never escalates.
 */
export function compareRules(rules: readonly Rule[]): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const warn = ({ source: { file, line } }: Rule, message: string): void => void problems.push({ severity: "warning", file, line, message });
  const permits = rules.filter(({ effect }) => effect === "permit");
  const forbids = rules.filter(({ effect }) => effect === "forbid");
  for (const permit of permits) {
    const barrier = forbids.find((forbid) => covers(forbid, permit));
    if (barrier !== undefined) {
      warn(permit, `This can never permit anything: rule ${named(barrier)} forbids all of it.`);
      continue;
    }
    const wider = permits.find((other) => other !== permit && covers(other, permit) && (!covers(permit, other) || comesBefore(other, permit)));
    if (wider === undefined) continue;
    if (covers(permit, wider) && sameAnnotations(permit, wider)) warn(permit, `This says the same as rule ${named(wider)}.`);
    else if (!asksForAnything(permit)) warn(permit, `This permits nothing that rule ${named(wider)} does not permit already, and asks for nothing in return.`);
  }
  for (const permit of permits) {
    const { terms } = permit;
    if (terms?.escalation === undefined) continue;
    const beside = permits.find((other) => other !== permit && covers(other, permit) && !escalatesAlike(other, permit));
    if (beside === undefined) continue;
    const how = beside.terms?.escalation === undefined ? "does not escalate" : "escalates otherwise";
    warn(permit, `@escalate has no effect here: rule ${named(beside)} decides whenever this one does, and ${how}.`);
  }
  for (const forbid of forbids) {
    const wider = forbids.find((other) => other !== forbid && covers(other, forbid) && (!covers(forbid, other) || comesBefore(other, forbid)));
    if (wider !== undefined) warn(forbid, `This forbids nothing that rule ${named(wider)} does not forbid already.`);
  }
  return problems;
}

function covers(wide: Rule, narrow: Rule): boolean {
  const [a, b] = [wide.form, narrow.form];
  const conditions = new Set(b.conditions);
  return (
    (a.principal === ANYTHING || a.principal === b.principal) &&
    (a.resource === ANYTHING || a.resource === b.resource) &&
    narrow.actions.every((action) => wide.actions.includes(action)) &&
    a.conditions.every((condition) => conditions.has(condition))
  );
}

const named = ({ id, source: { file, line } }: Rule): string => `"${id}" (${file}:${line})`;

/** Of two that say the same, the later one is told of. */
const comesBefore = (a: Rule, b: Rule): boolean => a.source.file < b.source.file || (a.source.file === b.source.file && a.source.line < b.source.line);

const escalatesAlike = ({ terms: a }: Rule, { terms: b }: Rule): boolean =>
  a?.escalation?.to === b?.escalation?.to && a?.escalation?.afterSeconds === b?.escalation?.afterSeconds;

const sameAnnotations = (a: Rule, b: Rule): boolean => JSON.stringify(a.form.annotations) === JSON.stringify(b.form.annotations);

const asksForAnything = ({ form }: Rule): boolean => Object.keys(form.annotations).some((name) => Object.hasOwn(annotationPlaces, name) || name === "notify");
