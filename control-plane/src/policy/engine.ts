import type { Context, EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import { describeSteps, peopleIn, plainTerms, strictestTerms } from "../domain/approval/terms.ts";
import { type Decision, type DecisionRequest, type MaskColumn, noObligations, type PolicyAction, type PolicyEngine, type Purpose } from "../domain/decision.ts";
import { type CommandFacts, nameParts } from "../domain/facts.ts";
import { DEFAULT_REVIEW_SECONDS } from "../domain/grant/break-glass.ts";
import { DEFAULT_MAX_DURATION_SECONDS } from "../domain/grant/grant.decider.ts";
import { type MaskedUse, maskedUse, noMaskedUse } from "../domain/masked-use.ts";
import { ofCommand, ofSession, strictestObligations } from "../domain/obligations.ts";
import { LruMap } from "../lru-map.ts";
import { CedarInstance, requireSuccess } from "./cedar-instance.ts";
import { type ReadyRequest, RequestTranslator } from "./decision-request.ts";
import { approvalsNeeded, explain, nothingPermits, purposeNeeded } from "./reason.ts";
import type { Rule } from "./rule.ts";
import { PolicySlices } from "./policy-slices.ts";
import { isApprovable, policyActions } from "./schema.ts";
import type { WholeSchema } from "./schema-json.ts";
import { type Attributes, RequestSlice } from "./request-slice.ts";

/** What Cedar said for one number of approvals; ids sorted, so that the order of policies does not show. */
type Verdict =
  | { readonly kind: "allow" | "deny"; readonly rules: readonly Rule[] }
  /** Cedar skips a rule that errs, a `forbid` too, and decides without it. */
  | { readonly kind: "erred"; readonly rules: readonly string[]; readonly message: string };

/** Of one policy version, about 1 KiB each. More distinct commands than people and programs repeat within minutes. */
export const MAX_CACHED_DECISIONS = 16_384;

/** What changes between the questions that one decision takes. */
const attemptAttributes: Attributes<{ readonly approvals: number; readonly use: MaskedUse }> = {
  approvals: ({ approvals }) => approvals,
  probesMasked: ({ use }) => use.probesMasked,
  matchesMasked: ({ use }) => use.matchesMasked,
  copiesMasked: ({ use }) => use.copiesMasked,
};

/**
 * Decides under one policy version, which passed every check.
 *
 * Owns a Cedar instance with the version's policies parsed, and the decisions taken lately.
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
  readonly #thresholds: ReadonlyMap<PolicyAction, readonly number[]>;
  readonly #slice: RequestSlice;
  readonly #translator: RequestTranslator;
  readonly #policySlices: PolicySlices;
  readonly #cedar: CedarInstance;
  readonly #asksOfMasked: boolean;
  readonly #cache = new LruMap<Decision>(MAX_CACHED_DECISIONS);
  /** Of facts, what they do with the columns that a decision masks; by identity, as facts are never changed in place. */
  readonly #uses = new WeakMap<CommandFacts, { readonly masks: readonly MaskColumn[]; readonly use: MaskedUse }>();

  constructor(version: string, rules: readonly Rule[], schema: WholeSchema) {
    this.version = version;
    this.speaksOf = new Set(rules.flatMap(({ namedActions }) => namedActions));
    this.#rules = new Map(rules.map((rule) => [rule.id, rule]));
    this.#slice = new RequestSlice(schema, rules);
    this.#translator = new RequestTranslator(rules, this.#slice);
    const thresholds = (action: PolicyAction): number[] =>
      [...new Set(rules.filter(({ actions }) => actions.includes(action)).flatMap(({ approvals }) => approvals))].toSorted((a, b) => a - b);
    this.#thresholds = new Map(policyActions.filter(isApprovable).map((action) => [action, thresholds(action)]));
    this.#asksOfMasked = Object.keys(noMaskedUse).some((name) => this.#slice.sees("run", name));
    this.namesSchemas = rules.some(({ named }) => named.relations.some((name) => nameParts(name).length > 1));
    const masks = rules.flatMap(({ obligations }) => obligations.maskColumns);
    const tables = new Set(masks.flatMap(({ table }) => (table === "" ? [] : [table])));
    this.maskedTables = this.#asksOfMasked && masks.length > 0 ? [...tables] : undefined;
    this.#policySlices = new PolicySlices(rules);
    this.#cedar = new CedarInstance((cedar) => {
      for (const action of policyActions) {
        requireSuccess(cedar.preparseSchema(action, this.#slice.schema(action)));
      }
      this.#policySlices.prepare(cedar);
    });
    this.#cedar.use(() => {});
  }

  decide(request: DecisionRequest): Decision {
    try {
      const translated = this.#translator.translate(request);
      if (translated.kind === "unfit") return this.#deny([], `Policy cannot judge this: ${translated.why}.`);
      const first = this.#remembered(request, translated, noMaskedUse);
      const use = this.#usesOfMasked(request, first);
      return use === noMaskedUse ? first : this.#remembered(request, translated, use);
    } catch (error) {
      return this.#deny([], `The policy engine failed, so this is denied: ${error instanceof Error ? error.message : "unknown failure"}.`);
    }
  }

  #remembered(request: DecisionRequest, translated: ReadyRequest, use: MaskedUse): Decision {
    const key = use === noMaskedUse ? translated.key : `${translated.key}${JSON.stringify(use)}`;
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const decision = this.#evaluate(request, translated, use);
    this.#cache.set(key, decision);
    return decision;
  }

  /** Which columns are masked is itself decided: once without knowing, then again where it matters. */
  #usesOfMasked({ action, facts }: DecisionRequest, { obligations: { maskColumns } }: Decision): MaskedUse {
    if (!this.#asksOfMasked || action !== "run" || facts === undefined) return noMaskedUse;
    let known = this.#uses.get(facts);
    if (known?.masks !== maskColumns) {
      const use = maskedUse(maskColumns, facts);
      this.#uses.set(facts, (known = { masks: maskColumns, use: Object.values(use).includes(true) ? use : noMaskedUse }));
    }
    return known.use;
  }

  #evaluate(request: DecisionRequest, translated: ReadyRequest, use: MaskedUse): Decision {
    const context = this.#translator.contextOf(request, translated);
    const ask = (approvals: number): Verdict =>
      this.#ask(request.action, translated, { ...context, ...this.#slice.context(request.action, attemptAttributes, { approvals, use }) });
    const plain = ask(0);
    const { situation } = translated;
    if (plain.kind === "erred") return this.#erred(plain, situation);
    if (plain.kind === "allow") return this.#permit(request, "allow", plain.rules, explain(plain.rules, "allowed."), plain.rules, 0, situation);
    const denied = this.#deny(
      idsOf(plain.rules),
      plain.rules.length > 0 ? explain(plain.rules, "denied.") : nothingPermits(request),
      ofRules(plain.rules, situation),
    );
    if (plain.rules.some((rule) => rule.approvals.length === 0)) return denied;

    for (const quorum of this.#thresholds.get(request.action) ?? []) {
      const approved = ask(quorum);
      if (approved.kind === "erred") return this.#erred(approved, situation);
      if (approved.kind === "deny") continue;
      // Those that stood in the way until now say why; where none did, those that ask for approvals themselves.
      const asking = plain.rules.length > 0 ? plain.rules : approved.rules;
      const all = [...plain.rules, ...approved.rules];
      return this.#hold(request, all, asking, approved.rules, quorum, situation);
    }
    return denied;
  }

  #ask(action: PolicyAction, { principal, resource }: ReadyRequest, context: Context): Verdict {
    const answer = this.#cedar.use((cedar) =>
      cedar.statefulIsAuthorized({
        principal: principal.uid,
        action: { type: "Action", id: action },
        resource: resource.uid,
        context,
        preparsedSchemaName: action,
        validateRequest: true,
        preparsedPolicySetId: this.#policySlices.setFor(cedar, action, principal, resource),
        entities: [principal, resource].filter(saysAnything),
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

/** What Cedar does not know has no attributes and no groups, so that there is no need to say so. */
const saysAnything = ({ attrs, parents }: EntityJson): boolean => parents.length > 0 || Object.keys(attrs).length > 0;

const idsOf = (rules: readonly Rule[]): string[] => [...new Set(rules.map((rule) => rule.id))].toSorted();
