import { SallyportError } from "@sallyport/proto/errors";
import type { PolicyCompiler } from "../application/policy-ports.ts";
import { CedarInstance } from "./cedar-instance.ts";
import { checkPolicies, cutShort } from "./check.ts";
import { diffRules } from "./diff-rules.ts";
import { CedarEngine } from "./engine.ts";
import type { Rule } from "./rule.ts";
import { wholeSchema } from "./schema-json.ts";

/** Cedar as the policy language. Engines are independent of each other and of the compiler. */
export function createCedarCompiler(): PolicyCompiler {
  const cedar = new CedarInstance();
  return {
    check(files) {
      const { problems, misnamed } = checkPolicies(cedar, files);
      return cutShort([...problems, ...misnamed]);
    },
    names(files) {
      const { rules } = checkPolicies(cedar, files);
      const sorted = (of: (rule: Rule) => readonly string[]): string[] => [...new Set(rules.flatMap(of))].toSorted();
      return { groups: sorted((rule) => rule.groups), labels: sorted((rule) => rule.labels) };
    },
    mentions: (files) =>
      checkPolicies(cedar, files).rules.flatMap(({ source: { file, line }, groups, identities, resources }) => [
        ...groups.map((name) => ({ kind: "group", name, file, line }) as const),
        ...identities.map((name) => ({ kind: "identity", name, file, line }) as const),
        ...resources.map((name) => ({ kind: "resource", name, file, line }) as const),
      ]),
    diff: (before, after) => diffRules(checkPolicies(cedar, before).rules, checkPolicies(cedar, after).rules),
    compile(version, files) {
      const { problems, rules } = checkPolicies(cedar, files);
      const errors = problems.filter(({ severity }) => severity === "error");
      if (errors.length > 0) {
        const lines = errors.map(({ file, line, message }) => `${file}:${line}: ${message}`);
        throw new SallyportError("policy.invalid", `The policy has problems.\n${lines.join("\n")}`, { problems: String(errors.length) });
      }
      return new CedarEngine(version, rules, wholeSchema(cedar));
    },
  };
}
