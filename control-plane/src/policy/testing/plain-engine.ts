import type { Context } from "@cedar-policy/cedar-wasm/nodejs";
import { controlPlane, type Decision, type DecisionRequest, noObligations, type PolicyAction, type TimeSeen } from "../../domain/decision.ts";
import { type CommandFacts, plainFacts } from "../../domain/facts.ts";
import { maskedUse, type MaskedUse, noMaskedUse } from "../../domain/masked-use.ts";
import { ofCommand, ofSession, strictestObligations } from "../../domain/obligations.ts";
import type { PolicyFile } from "../../domain/policy/policy.events.ts";
import { CedarInstance } from "../cedar-instance.ts";
import { checkPolicies } from "../check.ts";
import { hostOf } from "../client-address.ts";
import { MAX_QUORUM } from "../expression.ts";
import { LocalTime } from "../local-time.ts";
import { PossibleNames } from "../possible-names.ts";
import { approvalsNeeded, explain, nothingPermits, purposeNeeded } from "../reason.ts";
import type { Rule } from "../rule.ts";
import { isApprovable, policyActions, policySchema } from "../schema.ts";

export type PlainDecision = Pick<Decision, "effect" | "rules" | "reason" | "obligations" | "quorum"> & { readonly lacks: Decision["lacks"] };

interface Answer {
  readonly effect: "allow" | "deny" | "erred";
  readonly rules: readonly Rule[];
  readonly message: string;
}

const utc = new LocalTime();

/**
 * Decides by the definition alone: Cedar is told everything, of the whole schema, for each number of approvals, and nothing is remembered.
 * For requests whose circumstances are known, and rules without @timezone, @notify and the annotations of approvals.
 */
export function plainEngine(files: readonly PolicyFile[]): (request: DecisionRequest) => PlainDecision {
  const { rules } = checkPolicies(new CedarInstance(), files);
  const possible = new PossibleNames({ relations: rules.flatMap(({ named }) => named.relations), columns: rules.flatMap(({ named }) => named.columns) });
  const cedar = new CedarInstance((module) => {
    module.preparseSchema("whole", policySchema);
    for (const action of policyActions) {
      const staticPolicies = Object.fromEntries(rules.filter(({ actions }) => actions.includes(action)).map(({ id, source }) => [id, source.text]));
      module.preparsePolicySet(action, { staticPolicies });
    }
  });

  function ask({ principal, action, resource, ...request }: DecisionRequest, use: MaskedUse, approvals: number): Answer {
    const who = { type: "Identity", id: principal.id };
    const where = { type: resource === controlPlane ? "Sallyport" : "Resource", id: resource.name };
    const labels = Object.entries(resource.labels).map(([key, value]) => `${key}=${value}`);
    const answer = cedar.use((module) =>
      module.statefulIsAuthorized({
        principal: who,
        action: { type: "Action", id: action },
        resource: where,
        context: contextOf(action, request, possible, use, approvals),
        preparsedSchemaName: "whole",
        validateRequest: true,
        preparsedPolicySetId: action,
        entities: [
          { uid: who, attrs: { kind: principal.kind }, parents: principal.groups.map((id) => ({ type: "Group", id })) },
          { uid: where, attrs: { name: resource.name, protocol: resource.protocol, labels }, parents: [] },
        ],
      }),
    );
    if (answer.type === "failure") throw new Error(answer.errors.map(({ message }) => message).join("; "));
    const { decision, diagnostics } = answer.response;
    const named = (ids: readonly string[]): readonly Rule[] => rules.filter(({ id }) => ids.includes(id)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    if (diagnostics.errors.length === 0) return { effect: decision, rules: named(diagnostics.reason), message: "" };
    const messages = diagnostics.errors.map(({ policyId, error }) => `rule "${policyId}": ${error.message}`).toSorted();
    return { effect: "erred", rules: named(diagnostics.errors.map(({ policyId }) => policyId)), message: messages.join("; ") };
  }

  function decideKnowing(request: DecisionRequest, use: MaskedUse): PlainDecision {
    const first = ask(request, use, 0);
    if (first.effect === "erred") return erred(first);
    if (first.effect === "allow") return permit(request, "allow", first.rules, first.rules, explain(first.rules, "allowed."), 0);
    const why = first.rules.length > 0 ? explain(first.rules, "denied.") : nothingPermits(request);
    const denied = deny(first.rules, why);
    if (!isApprovable(request.action) || first.rules.some(({ approvals }) => approvals.length === 0)) return denied;
    for (let quorum = 1; quorum <= MAX_QUORUM; quorum++) {
      const then = ask(request, use, quorum);
      if (then.effect === "erred") return erred(then);
      if (then.effect === "deny") continue;
      const asking = first.rules.length > 0 ? first.rules : then.rules;
      return permit(request, "needs_approval", [...first.rules, ...then.rules], then.rules, explain(asking, approvalsNeeded(quorum)), quorum);
    }
    return denied;
  }

  return (request) => {
    const first = decideKnowing(request, noMaskedUse);
    return request.action === "run" ? decideKnowing(request, maskedUse(first.obligations.maskColumns, request.facts ?? plainFacts)) : first;
  };
}

const idsOf = (rules: readonly Rule[]): string[] => [...new Set(rules.map(({ id }) => id))].toSorted();

const deny = (rules: readonly Rule[], reason: string, lacks?: Decision["lacks"]): PlainDecision => ({
  effect: "deny",
  rules: idsOf(rules),
  reason,
  obligations: noObligations,
  quorum: 0,
  lacks,
});

const erred = ({ rules, message }: Answer): PlainDecision => deny(rules, `Policy failed to evaluate, so this is denied: ${message}.`);

function permit(
  { action, circumstances }: DecisionRequest,
  effect: "allow" | "needs_approval",
  rules: readonly Rule[],
  permits: readonly Rule[],
  reason: string,
  quorum: number,
): PlainDecision {
  const lacks = (["reason", "ticket"] as const).filter(
    (part) => (circumstances?.purpose?.[part] ?? "") === "" && permits.some(({ requires }) => requires.includes(part)),
  );
  const asking = permits.filter(({ requires }) => lacks.some((part) => requires.includes(part)));
  if (lacks.length > 0) return deny(asking, explain(asking, purposeNeeded(lacks)), lacks);
  const merged = strictestObligations(permits.map(({ obligations }) => obligations));
  return { effect, rules: idsOf(rules), reason, obligations: action === "open" ? ofSession(merged) : ofCommand(merged), quorum, lacks: undefined };
}

function contextOf(
  action: PolicyAction,
  { facts, granted = false, circumstances = {}, area, own = false }: Omit<DecisionRequest, "principal" | "action" | "resource">,
  possible: PossibleNames,
  use: MaskedUse,
  approvals: number,
): Context {
  const { time, clientAddress = "", purpose = { reason: "", ticket: "" } } = circumstances;
  const { hour, weekday } = time instanceof Date ? utc.at(time) : (time as TimeSeen);
  const when = { hour, weekday };
  const why = { purpose: purpose.reason, ticket: purpose.ticket };
  const session = {
    clientAddress: { __extn: { fn: "ip", arg: hostOf(clientAddress) ?? "" } },
    granted: granted !== false,
    emergency: granted === "emergency",
  };
  switch (action) {
    case "open":
      return { ...when, ...why, ...session };
    case "run":
      return { ...factsContext(facts ?? plainFacts, possible), ...when, ...why, ...session, ...use, approvals };
    case "request":
      return { ...when, ...why, approvals };
    case "break_glass":
      return { ...when, ...why };
    case "approve":
      return { ...factsContext(facts ?? { ...plainFacts, riskClass: "unclassified", statementCount: 0 }, possible), ...when };
    case "replay":
      return { ...when, area: area ?? "", own };
    case "administer":
      return { ...when, area: area ?? "" };
  }
}

function factsContext({ unclassifiedReason: _, ...facts }: CommandFacts, possible: PossibleNames): Context {
  return {
    verbs: [...facts.verbs],
    riskClass: facts.riskClass,
    functions: [...facts.functions],
    functionClasses: [...facts.functionClasses],
    hazards: [...facts.hazards],
    settings: [...facts.settings],
    unparsed: facts.hazards.includes("unparsed"),
    fingerprint: facts.fingerprint,
    statementCount: facts.statementCount,
    rowLimit: facts.rowLimit,
    transaction: facts.transaction,
    relationsRead: possible.relations(facts.relationsRead),
    relationsWritten: possible.relations(facts.relationsWritten),
    columnsRead: possible.columns(facts.columnsRead),
    columnsFiltered: possible.columns(facts.columnsFiltered),
    columnsMatched: possible.columns(facts.columnsMatched),
    columnsWritten: possible.columns(facts.columnsWritten),
    columnsCopied: possible.columns(facts.columnsCopied),
  };
}
