import type { RuleChange, RulePart } from "../application/policy-ports.ts";
import type { Rule } from "./rule.ts";
import { spellConditions, spellScope } from "./spell-rule.ts";

/** What changed from one set to another, rule by rule; how they are written, and in which file, does not count. */
export function diffRules(before: readonly Rule[], after: readonly Rule[]): RuleChange[] {
  const old = new Map(before.map((rule) => [rule.id, rule]));
  const left = new Set(old.keys());
  const changes: RuleChange[] = [];
  for (const rule of after) {
    const same = old.get(rule.id);
    left.delete(rule.id);
    const parts = same === undefined ? partsOf(rule).map(([part, text]): RulePart => ({ part, before: "", after: text })) : changedParts(same, rule);
    if (parts.length > 0)
      changes.push({ kind: same === undefined ? "added" : "changed", rule: rule.id, file: rule.source.file, line: rule.source.line, parts });
  }
  for (const id of left) {
    const rule = old.get(id);
    if (rule === undefined) continue;
    const parts = partsOf(rule).map(([part, text]): RulePart => ({ part, before: text, after: "" }));
    changes.push({ kind: "removed", rule: id, file: rule.source.file, line: rule.source.line, parts });
  }
  return changes.toSorted((a, b) => (a.rule < b.rule ? -1 : 1));
}

function changedParts(before: Rule, after: Rule): RulePart[] {
  const parts: RulePart[] = [];
  const differ = (part: string, then: string, now: string, shown: readonly [string, string] = [then, now]): void => {
    if (then !== now) parts.push({ part, before: shown[0], after: shown[1] });
  };
  differ("effect", before.effect, after.effect);
  const scopeOf = ({ form: { principal, action, resource } }: Rule): string => JSON.stringify([principal, action, resource]);
  differ("scope", scopeOf(before), scopeOf(after), [spellScope(before.source.text), spellScope(after.source.text)]);
  const conditionsOf = ({ form }: Rule): string => JSON.stringify(form.conditions);
  differ("conditions", conditionsOf(before), conditionsOf(after), [spellConditions(before.source.text), spellConditions(after.source.text)]);
  differ("@reason", before.reason, after.reason);
  const names = new Set([...Object.keys(before.form.annotations), ...Object.keys(after.form.annotations)]);
  for (const name of [...names].toSorted()) differ(`@${name}`, spelt(before, name), spelt(after, name));
  return parts;
}

/** An annotation without a value is told from one that is not there. */
function spelt({ form: { annotations } }: Rule, name: string): string {
  if (!Object.hasOwn(annotations, name)) return "";
  return annotations[name] === "" ? "yes" : (annotations[name] ?? "");
}

const partsOf = (rule: Rule): readonly (readonly [part: string, text: string])[] =>
  [
    ["effect", rule.effect] as const,
    ["scope", spellScope(rule.source.text)] as const,
    ["conditions", spellConditions(rule.source.text)] as const,
    ["@reason", rule.reason] as const,
    ...Object.keys(rule.form.annotations).map((name) => [`@${name}`, spelt(rule, name)] as const),
  ].filter(([, text]) => text !== "");
