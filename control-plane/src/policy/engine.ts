import { describeSteps, peopleIn, plainTerms, strictestTerms } from "../domain/approval/terms.ts";
import { type Decision, type DecisionRequest, noObligations, type PolicyAction, type PolicyEngine, type Purpose } from "../domain/decision.ts";
import { nameParts } from "../domain/facts.ts";
import { DEFAULT_REVIEW_SECONDS } from "../domain/grant/break-glass.ts";
import { DEFAULT_MAX_DURATION_SECONDS } from "../domain/grant/grant.decider.ts";
import { type MaskedUse, maskedUse, noMaskedUse } from "../domain/masked-use.ts";
import { ofCommand, ofSession, strictestObligations } from "../domain/obligations.ts";
import { CircumstanceReader } from "./circumstances.ts";
import { CedarInstance } from "./cedar-instance.ts";
import { DecisionCache } from "./decision-cache.ts";
import { type CedarRequest, RequestTranslator } from "./decision-request.ts";
import { PossibleNames } from "./possible-names.ts";
import { approvalsNeeded, explain, nothingPermits, purposeNeeded } from "./reason.ts";
import type { Rule } from "./rule.ts";
import { isApprovable, policyActions, policySchema } from "./schema.ts";

type ReadyRequest = Extract<CedarRequest, { kind: "ready" }>;

/** What Cedar said for one number of approvals; ids sorted, so that the order of policies does not show. */
type Verdict =
  | { readonly kind: "allow" | "deny"; readonly rules: readonly Rule[] }
  /** Cedar skips a rule that errs, a `forbid` too, and decides without it. */
  | { readonly kind: "erred"; readonly rules: readonly string[]; readonly message: string };

const SCHEMA = "schema";

/**
 * Decides under one policy version, which passed every check.
 *
 * Owns a Cedar instance with the version's policies parsed, one set for each action, and the decisions taken lately.
 *
 * E1. `decide` never throws. A fault of the engine itself is a deny that says so; it is not remembered.
 * E2. An error in any rule is a deny, whatever the others say.
 * E3. "Needs approval" is what is denied with no approvals and allowed with some: the quorum is the least number that
 *     allows. Between the numbers that policies compare with nothing changes, so only those are tried.
 * E4. A `forbid` that does not look at approvals cannot be approved away.
 * E5. What a permit requires to be said first (@reasonRequired, @ticketRequired) and was not is a deny that says so.
 * E6. What a command does with masked columns is found by the masks of the decision without it. What is denied stays denied.
 */
export class CedarEngine implements PolicyEngine {
  readonly version: string;
  readonly maskedTables: readonly string[] | undefined;
  readonly namesSchemas: boolean;
  readonly speaksOf: ReadonlySet<PolicyAction>;
  readonly #rules: ReadonlyMap<string, Rule>;
  /** Ascending; only `run` and `request` have approvals. */
  readonly #thresholds: readonly number[];
  readonly #translator: RequestTranslator;
  readonly #cedar: CedarInstance;
  readonly #asksOfMasked: boolean;
  readonly #cache = new DecisionCache();

  constructor(version: string, rules: readonly Rule[]) {
    this.version = version;
    this.speaksOf = new Set(rules.flatMap(({ namedActions }) => namedActions));
    this.#rules = new Map(rules.map((rule) => [rule.id, rule]));
    this.#thresholds = [...new Set(rules.flatMap((rule) => rule.approvals))].toSorted((a, b) => a - b);
    this.#translator = new RequestTranslator(
      { groups: new Set(rules.flatMap((rule) => rule.groups)), identities: new Set(rules.flatMap((rule) => rule.identities)) },
      new PossibleNames({ relations: rules.flatMap(({ named }) => named.relations), columns: rules.flatMap(({ named }) => named.columns) }),
      new CircumstanceReader(rules),
    );
    this.#asksOfMasked = rules.some(({ attributes }) => attributes.some((name) => Object.hasOwn(noMaskedUse, name)));
    this.namesSchemas = rules.some(({ named }) => named.relations.some((name) => nameParts(name).length > 1));
    const masks = rules.flatMap(({ obligations }) => obligations.maskColumns);
    const tables = new Set(masks.flatMap(({ table }) => (table === "" ? [] : [table])));
    this.maskedTables = this.#asksOfMasked && masks.length > 0 ? [...tables] : undefined;
    this.#cedar = new CedarInstance((cedar) => {
      requireSuccess(cedar.preparseSchema(SCHEMA, policySchema));
      for (const action of policyActions) {
        const texts = rules.filter((rule) => rule.actions.includes(action)).map((rule) => [rule.id, rule.source.text] as const);
        requireSuccess(cedar.preparsePolicySet(action, { staticPolicies: Object.fromEntries(texts) }));
      }
    });
    this.#cedar.use(() => {});
  }

  decide(request: DecisionRequest): Decision {
    try {
      const translated = this.#translator.translate(request);
      if (translated.kind === "unfit") return this.#deny([], `Policy cannot judge this: ${translated.why}.`);
      const known = this.#cache.get(translated.key);
      if (known !== undefined) return known;
      const decision = this.#evaluate(request, translated);
      this.#cache.put(translated.key, decision);
      return decision;
    } catch (error) {
      return this.#deny([], `The policy engine failed, so this is denied: ${error instanceof Error ? error.message : "unknown failure"}.`);
    }
  }

  /** Which columns are masked is itself decided: once without knowing, then again where it matters. */
  #evaluate(request: DecisionRequest, translated: ReadyRequest): Decision {
    const first = this.#evaluateOnce(request, translated, noMaskedUse);
    if (!this.#asksOfMasked || request.action !== "run" || request.facts === undefined) return first;
    const use = maskedUse(first.obligations.maskColumns, request.facts);
    return Object.values(use).includes(true) ? this.#evaluateOnce(request, translated, use) : first;
  }

  #evaluateOnce(request: DecisionRequest, translated: ReadyRequest, use: MaskedUse): Decision {
    const plain = this.#ask(translated, use, 0);
    const { situation } = translated;
    if (plain.kind === "erred") return this.#erred(plain, situation);
    if (plain.kind === "allow") return this.#permit(request, "allow", plain.rules, explain(plain.rules, "allowed."), plain.rules, 0, situation);
    const denied = this.#deny(
      idsOf(plain.rules),
      plain.rules.length > 0 ? explain(plain.rules, "denied.") : nothingPermits(request),
      ofRules(plain.rules, situation),
    );
    if (!isApprovable(request.action) || plain.rules.some((rule) => rule.approvals.length === 0)) return denied;

    for (const quorum of this.#thresholds) {
      const approved = this.#ask(translated, use, quorum);
      if (approved.kind === "erred") return this.#erred(approved, situation);
      if (approved.kind === "deny") continue;
      // Those that stood in the way until now say why; where none did, those that ask for approvals themselves.
      const asking = plain.rules.length > 0 ? plain.rules : approved.rules;
      const all = [...plain.rules, ...approved.rules];
      return this.#hold(request, all, asking, approved.rules, quorum, situation);
    }
    return denied;
  }

  #ask({ action, principal, resource, context, about, granted, situation }: ReadyRequest, use: MaskedUse, approvals: number): Verdict {
    const answer = this.#cedar.use((cedar) =>
      cedar.statefulIsAuthorized({
        principal: principal.uid,
        action: { type: "Action", id: action },
        resource: resource.uid,
        context: {
          ...context,
          ...situation.context,
          ...about,
          ...(action === "run" ? use : {}),
          ...(isApprovable(action) ? { approvals } : {}),
          ...(action === "open" || action === "run" ? { granted: granted !== false, emergency: granted === "emergency" } : {}),
        },
        preparsedSchemaName: SCHEMA,
        validateRequest: true,
        preparsedPolicySetId: action,
        entities: [principal, resource],
      }),
    );
    if (answer.type === "failure") return { kind: "erred", rules: [], message: answer.errors.map(({ message }) => message).join("; ") };
    const { decision, diagnostics } = answer.response;
    if (diagnostics.errors.length > 0) {
      return {
        kind: "erred",
        rules: diagnostics.errors.map(({ policyId }) => policyId).toSorted(),
        message: diagnostics.errors
          .map(({ policyId, error }) => `rule "${policyId}": ${error.message}`)
          .toSorted()
          .join("; "),
      };
    }
    return { kind: decision, rules: diagnostics.reason.toSorted().map((id) => this.#rule(id)) };
  }

  #rule(id: string): Rule {
    const rule = this.#rules.get(id);
    if (rule === undefined) throw new Error(`Cedar named the rule ${JSON.stringify(id)}, which is not in this version`);
    return rule;
  }

  #erred({ rules, message }: Extract<Verdict, { kind: "erred" }>, situation: ReadySituation): Decision {
    const known = rules.flatMap((id) => this.#rules.get(id) ?? []);
    return this.#deny(rules, `Policy failed to evaluate, so this is denied: ${message}.`, ofRules(known, situation));
  }

  #deny(rules: readonly string[], reason: string, more: Pick<Decision, "lacks" | "notify" | "seen"> = {}): Decision {
    return Object.freeze({ effect: "deny", policyVersion: this.version, rules, reason, obligations: noObligations, quorum: 0, ...more });
  }

  /** The permits say how people must agree; a `forbid` that was in the way raises their number only. */
  #hold(
    request: DecisionRequest,
    rules: readonly Rule[],
    asking: readonly Rule[],
    permits: readonly Rule[],
    quorum: number,
    situation: ReadySituation,
  ): Decision {
    if (permits.every((rule) => rule.terms === undefined)) {
      return this.#permit(request, "needs_approval", rules, explain(asking, approvalsNeeded(quorum)), permits, quorum, situation);
    }
    const terms = strictestTerms(
      permits.map((rule) => rule.terms ?? plainTerms),
      quorum,
    );
    const reason = explain(asking, `needs ${describeSteps(terms.steps)}.`);
    const held = this.#permit(request, "needs_approval", rules, reason, permits, peopleIn(terms.steps), situation);
    return held.effect === "needs_approval" ? Object.freeze({ ...held, terms }) : held;
  }

  #permit(
    { action }: DecisionRequest,
    effect: "allow" | "needs_approval",
    rules: readonly Rule[],
    reason: string,
    permits: readonly Rule[],
    quorum: number,
    situation: ReadySituation,
  ): Decision {
    const more = ofRules(rules, situation);
    const lacks = purposeParts.filter((part) => situation.unsaid.has(part) && permits.some(({ requires }) => requires.includes(part)));
    if (lacks.length > 0) {
      const asking = permits.filter(({ requires }) => lacks.some((part) => requires.includes(part)));
      return this.#deny(idsOf(asking), explain(asking, purposeNeeded(lacks)), { ...more, lacks });
    }
    const merged = strictestObligations(permits.map((rule) => rule.obligations));
    const obligations = action === "open" ? ofSession(merged) : ofCommand(merged);
    const longest =
      action === "request" || action === "break_glass" ? { maxDurationSeconds: shortest(permits, "maxDurationSeconds", DEFAULT_MAX_DURATION_SECONDS) } : {};
    const review = action === "break_glass" ? { reviewWithinSeconds: shortest(permits, "reviewWithinSeconds", DEFAULT_REVIEW_SECONDS) } : {};
    return Object.freeze({ effect, policyVersion: this.version, rules: idsOf(rules), reason, obligations, quorum, ...longest, ...review, ...more });
  }
}

type ReadySituation = ReadyRequest["situation"];

const purposeParts = ["reason", "ticket"] as const satisfies readonly (keyof Purpose)[];

/** Whom the rules that decided want told, and the time that they saw. */
function ofRules(rules: readonly Rule[], { seen }: ReadySituation): Pick<Decision, "notify" | "seen"> {
  const notify = [...new Set(rules.flatMap((rule) => rule.notify))].toSorted();
  return { ...(notify.length === 0 ? {} : { notify }), ...(seen === undefined ? {} : { seen }) };
}

/** Like an obligation: a second permit never lengthens what the first one gives. */
const shortest = (permits: readonly Rule[], of: "maxDurationSeconds" | "reviewWithinSeconds", otherwise: number): number =>
  Math.min(...permits.map((rule) => rule[of] ?? otherwise));

const idsOf = (rules: readonly Rule[]): string[] => [...new Set(rules.map((rule) => rule.id))].toSorted();

function requireSuccess(answer: { readonly type: "success" } | { readonly type: "failure"; readonly errors: readonly { readonly message: string }[] }): void {
  if (answer.type === "failure") throw new Error(answer.errors.map(({ message }) => message).join("; "));
}
