import type { DetailedError, ActionConstraint } from "@cedar-policy/cedar-wasm/nodejs";
import type { PolicyProblem } from "../application/policy-ports.ts";
import type { PolicyAction } from "../domain/decision.ts";
import type { PolicyFile } from "../domain/policy/policy.events.ts";
import { annotationPlaces, MAX_NOTIFIED_GROUPS, readAnnotations } from "./annotations.ts";
import { approvalAnnotations } from "./approval-annotations.ts";
import type { CedarInstance } from "./cedar-instance.ts";
import { compareRules } from "./compare-rules.ts";
import { contradictions } from "./contradictions.ts";
import { formOf } from "./rule-form.ts";
import { readExpression } from "./expression.ts";
import type { Rule } from "./rule.ts";
import { isApprovable, policyActions, policySchema, sessionActions, sessionSchema } from "./schema.ts";
import { TEST_FILE_SUFFIX } from "./test-file.ts";
import { notifyWithoutEffect } from "./notify-without-effect.ts";
import { lineOf, type PolicyText, splitPolicies } from "./split.ts";

/** A set is one event, which the ledger takes up to 1 MiB of JSON; escapes may double a text. */
export const MAX_POLICY_SET_BYTES = 393_216;
export const MAX_POLICY_FILES = 200;
/** Checking takes about half a millisecond each, in which nothing else runs. */
export const MAX_POLICIES = 1_000;
/** A list of some hundred names fits; Cedar's parser walks by recursion. */
export const MAX_POLICY_BYTES = 32_768;
/** More would not be read. */
export const MAX_PROBLEMS = 100;

/** Cedar names the policy by a name that its author never saw. */
const cedarPreamble = /^(?:for policy `[^`]*`, |failed to parse policy from string: )/;

/** Its validator on a rule whose types leave nothing that it can match. */
const cedarImpossible = "policy is impossible";

const fileNamePattern = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}\.(?:cedar|test\.json)$/;

export interface Checked {
  readonly problems: readonly PolicyProblem[];
  /** Names in rules as no command has them. Nothing new is published with one, but what was must still be enforced. */
  readonly misnamed: readonly PolicyProblem[];
  /** Those that were read; all of them when no problem is an error. */
  readonly rules: readonly Rule[];
}

export function checkPolicies(cedar: CedarInstance, files: readonly PolicyFile[]): Checked {
  const problems: PolicyProblem[] = [];
  const error = (file: string, line: number, message: string): void => void problems.push({ severity: "error", file, line, message });

  const rules: Rule[] = [];
  const byId = new Map<string, Rule>();
  for (const text of cutFiles(files, error)) {
    const rule = readPolicy(cedar, text, problems);
    if (rule === undefined) continue;
    const same = byId.get(rule.id);
    if (same !== undefined) error(text.file, text.line, `@id("${rule.id}") is taken by ${same.source.file}:${same.source.line}.`);
    byId.set(rule.id, rule);
    rules.push(rule);
  }
  checkTimezone(rules, error);
  checkTold(rules, error);
  for (const [schema, wanted] of [
    [policySchema, true],
    [sessionSchema, false],
  ] as const)
    validate(
      cedar,
      schema,
      rules.filter((rule) => namesAction(rule) === wanted).map((rule) => rule.source),
      problems,
    );
  // Of rules with errors nothing is worth saying.
  if (problems.every(({ severity }) => severity === "warning")) problems.push(...besideEachOther(rules, problems), ...notifyWithoutEffect(rules));
  const misnamed = rules.flatMap((rule) => rule.misnamed.map((found): PolicyProblem => ({ ...found, file: rule.source.file, line: rule.source.line })));
  return { problems: cutShort(problems), misnamed, rules };
}

/** What can never match need not be told of twice, nor compared with others. */
function besideEachOther(rules: readonly Rule[], problems: readonly PolicyProblem[]): readonly PolicyProblem[] {
  const impossible = contradictions(rules);
  const never = new Set(impossible.map(({ rule }) => rule));
  const told = new Set(problems.flatMap(({ file, line, message }) => (message.startsWith(cedarImpossible) ? [`${file}:${line}`] : [])));
  const untold = impossible.flatMap(({ problem }) => (told.has(`${problem.file}:${problem.line}`) ? [] : [problem]));
  return [...untold, ...compareRules(rules.filter((rule) => !never.has(rule)))];
}

/** Errors first, so that cutting the list never hides that there is one. */
export function cutShort(problems: readonly PolicyProblem[]): readonly PolicyProblem[] {
  if (problems.length <= MAX_PROBLEMS) return problems;
  const worstFirst = problems.toSorted((a, b) => Number(a.severity === "warning") - Number(b.severity === "warning"));
  const more: PolicyProblem = { severity: "warning", file: "", line: 0, message: `${problems.length - MAX_PROBLEMS} more problems are not shown.` };
  return [...worstFirst.slice(0, MAX_PROBLEMS), more];
}

/** Two zones in one set would make the hour mean two things. */
function checkTimezone(rules: readonly Rule[], error: Report): void {
  const [first, ...others] = rules.filter(({ timezone }) => timezone !== undefined);
  for (const { timezone, source } of others)
    if (timezone !== first?.timezone)
      error(source.file, source.line, `@timezone is "${first?.timezone ?? ""}" in ${first?.source.file ?? ""}:${first?.source.line ?? 0}; a set has one.`);
}

/** Every event on a proposal names them all, and publishing writes one of each open proposal in the same append. */
function checkTold(rules: readonly Rule[], error: Report): void {
  const told = new Set<string>();
  for (const { namedActions, notify, source } of rules) {
    if (!namedActions.includes("administer")) continue;
    const before = told.size;
    for (const group of notify) told.add(group);
    if (before <= MAX_NOTIFIED_GROUPS && told.size > MAX_NOTIFIED_GROUPS)
      error(source.file, source.line, `The rules of Action::"administer" notify ${told.size} groups together; at most ${MAX_NOTIFIED_GROUPS} are allowed.`);
  }
}

type Report = (file: string, line: number, message: string) => void;

function cutFiles(files: readonly PolicyFile[], error: Report): PolicyText[] {
  const bytes = files.reduce((sum, file) => sum + Buffer.byteLength(file.text), 0);
  if (files.length > MAX_POLICY_FILES || bytes > MAX_POLICY_SET_BYTES) {
    error("", 0, `The set has ${files.length} files and ${bytes} bytes; at most ${MAX_POLICY_FILES} and ${MAX_POLICY_SET_BYTES} are allowed.`);
    return [];
  }
  const names = new Set<string>();
  for (const { name } of files) {
    if (!fileNamePattern.test(name))
      error(name.slice(0, 200), 0, `A policy file has a plain name that ends in ".cedar", one with tests in "${TEST_FILE_SUFFIX}".`);
    if (names.has(name)) error(name.slice(0, 200), 0, "Two files have this name.");
    names.add(name);
  }
  const texts = files.filter(({ name }) => !name.endsWith(TEST_FILE_SUFFIX)).flatMap((file) => splitPolicies(file.name, file.text));
  if (texts.length === 0) error(files[0]?.name ?? "", 0, "There is no policy here: everything would be denied.");
  if (texts.length <= MAX_POLICIES) return texts;
  error("", 0, `The set has ${texts.length} policies; at most ${MAX_POLICIES} are allowed.`);
  return [];
}

/** What Cedar's parser and our own rules say. Adds to `problems`; answers nothing when the policy cannot be read at all. */
function readPolicy(cedar: CedarInstance, text: PolicyText, problems: PolicyProblem[]): Rule | undefined {
  const add = (severity: PolicyProblem["severity"], message: string): void => void problems.push({ severity, file: text.file, line: text.line, message });
  const error = (message: string): void => add("error", message);
  if (Buffer.byteLength(text.text) > MAX_POLICY_BYTES) {
    error(`The policy is longer than ${MAX_POLICY_BYTES} bytes.`);
    return undefined;
  }
  const parsed = attempt(() => cedar.use((module) => module.policyToJson(text.text)));
  if (parsed instanceof Error) {
    error(`Cedar cannot take this policy; it is probably nested too deeply (${parsed.message}).`);
    return undefined;
  }
  if (parsed.type === "failure") {
    problems.push(...parsed.errors.map((detail) => located("error", text, detail)));
    return undefined;
  }
  const policy = parsed.json;
  const { written, ...annotations } = readAnnotations(policy.annotations ?? {}, error);
  const expression = readExpression(policy, error);
  const namedActions = policyActions.filter((action) => isNamed(policy.action, action));
  const actions: readonly PolicyAction[] = policy.action.op === "All" ? sessionActions : namedActions;
  for (const name of written) {
    const places = annotationPlaces[name];
    if (places !== undefined && (policy.effect === "forbid" || !places.some((action) => actions.includes(action))))
      error(`@${name} belongs on a permit of ${places.map((action) => `Action::"${action}"`).join(" or ")}.`);
  }
  if (annotations.terms !== undefined && (expression.approvals.length === 0 || actions.some((action) => !isApprovable(action))))
    error(
      `${approvalAnnotations.map((name) => `@${name}`).join(", ")} need a permit of Action::"run" or Action::"request" alone that asks for context.approvals.`,
    );
  if (written.includes("notify") && namedActions.includes("replay")) error(`Nobody is notified of Action::"replay": put @notify on a rule without it.`);
  if (written.includes("notify") && namedActions.includes("administer") && policy.effect === "forbid")
    error(`Of Action::"administer" proposals of policies are told, which a permit lets through: put @notify on that.`);
  if (policy.effect === "permit" && policy.action.op === "All")
    add("warning", `The permit names no action: it permits every one but Action::"replay" and Action::"administer".`);
  return { ...annotations, ...expression, source: text, effect: policy.effect, actions, namedActions, form: formOf(policy) };
}

/** What Cedar's validator says: all policies in one call, as each call reads the schema anew; one by one when they break it. */
function validate(cedar: CedarInstance, schema: string, texts: readonly PolicyText[], problems: PolicyProblem[]): void {
  const [first] = texts;
  if (first === undefined) return;
  const staticPolicies = Object.fromEntries(texts.map(({ text }, index) => [String(index), text]));
  const answer = attempt(() => cedar.use((module) => module.validate({ schema, policies: { staticPolicies }, validationSettings: { mode: "strict" } })));
  if (answer instanceof Error) {
    if (texts.length > 1) for (const text of texts) validate(cedar, schema, [text], problems);
    else problems.push({ severity: "error", file: first.file, line: first.line, message: `Cedar cannot validate this policy (${answer.message}).` });
    return;
  }
  if (answer.type === "failure") {
    problems.push(...answer.errors.map((detail) => located("error", first, detail)));
    return;
  }
  for (const [severity, found] of [
    ["error", answer.validationErrors],
    ["warning", answer.validationWarnings],
  ] as const) {
    problems.push(...found.map(({ policyId, error }) => located(severity, texts[Number(policyId)] ?? first, error)));
  }
  problems.push(...answer.otherWarnings.map((detail) => located("warning", first, detail)));
}

function located(severity: PolicyProblem["severity"], text: PolicyText, { message, help, sourceLocations }: DetailedError): PolicyProblem {
  const place = sourceLocations?.[0];
  const line = place === undefined ? text.line : lineOf(text, place.start);
  return { severity, file: text.file, line, message: `${message.replace(cedarPreamble, "")}${help === null ? "" : ` (${help})`}` };
}

function attempt<T>(work: () => T): T | Error {
  try {
    return work();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const namesAction = ({ namedActions }: Rule): boolean => namedActions.length > 0;

/** Whether the scope names `action`. Actions are in no groups. */
function isNamed(scope: ActionConstraint, action: string): boolean {
  const named = "entities" in scope ? scope.entities : "entity" in scope ? [scope.entity] : [];
  return named.some((uid) => ("__entity" in uid ? uid.__entity : uid).id === action);
}
