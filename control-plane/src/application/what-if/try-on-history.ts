import { upcast } from "../../domain/catalogue.ts";
import { type Decision, isEffect, type PolicyEngine } from "../../domain/decision.ts";
import { differenceBetween } from "../../domain/policy/difference.ts";
import { NO_POLICY, takeDecision } from "../../domain/take-decision.ts";
import type { ReadableLedger } from "../../ledger/ledger.ts";
import { LruMap } from "../../lru-map.ts";
import { policyVersion } from "../policy-version.ts";
import type { PolicyCompiler } from "../policy-ports.ts";
import { type PastDecision, PastDecisions } from "./past-decisions.ts";
import type { WhatIfProgress, WhatIfQuestion, WhatIfReport } from "./report.ts";
import { type Difference, DifferenceTally, MAX_EXAMPLE_CHARACTERS } from "./tally.ts";

/** Compiled versions of the past that are kept: history is read in order, so that they follow each other. Each holds some MB. */
export const MAX_PAST_ENGINES = 4;
/** Decisions between two words of progress: some tens of milliseconds. */
export const PROGRESS_EVERY = 5_000;

export interface WhatIfDeps {
  readonly ledger: ReadableLedger;
  readonly compiler: PolicyCompiler;
}

/**
 * Takes the decisions of the record again under a proposed policy, and tells which come out otherwise.
 *
 * W1. Compared is what was decided then, by the record: the policy of that time says what the record does not (obligations, how many
 *     must agree), and where it does not come to the answer of the record any more, that is counted apart.
 * W2. People have the groups that they had, resources the labels, sessions the address and purpose; a forgotten person stays forgotten.
 * W3. Memory is bounded by what is in `DifferenceTally` and `PastDecisions`, not by the length of history.
 */
export async function tryOnHistory(
  { ledger, compiler }: WhatIfDeps,
  { version, files, since, until, identity, resource }: WhatIfQuestion,
  progressed: (progress: WhatIfProgress) => void = () => undefined,
): Promise<WhatIfReport> {
  const proposed = compiler.compile(version, files);
  const past = new PastDecisions(ledger);
  const engines = new PastEngines(past, compiler, proposed);
  const tally = new DifferenceTally();
  let [decisions, unreproducible, earlierReleases, forgotten] = [0, 0, 0, 0];
  for await (const decision of past.between(since, until)) {
    if (identity !== "" && decision.identity !== identity) continue;
    if (resource !== "" && decision.resource !== resource) continue;
    decisions += 1;
    if (decision.isOfEarlierRelease) earlierReleases += 1;
    if (decision.isForgotten) forgotten += 1;
    const decider = decision.recorded.policyVersion;
    const engine = engines.get(decider) ?? (await engines.load(decider));
    const then = takenThen(engine === "lost" ? undefined : engine, decision);
    if (!then.isReproduced) unreproducible += 1;
    const difference = compare(then.decision, takenNow(proposed, decision), decision);
    if (difference !== undefined) tally.add(difference);
    if (decisions % PROGRESS_EVERY === 0) progressed({ decisions, different: tally.total, at: new Date(decision.at), done: doneAt(decision.at, since, until) });
  }
  const counts = { decisions, unreproducible, earlierReleases, forgotten };
  return { version, since: since.toISOString(), until: until.toISOString(), ...counts, ...tally.report() };
}

const takenNow = (engine: PolicyEngine, { question, at }: PastDecision): Decision =>
  takeDecision(engine, { ...question, circumstances: { ...question.circumstances, time: new Date(at) } });

type Then = Pick<Decision, "effect" | "rules"> & Partial<Decision>;

function takenThen(
  engine: PolicyEngine | undefined,
  { question, recorded, effect, obligations, at }: PastDecision,
): { readonly decision: Then; readonly isReproduced: boolean } {
  const { rules, seen } = recorded;
  // Where nobody can tell any more whether policy asked for the approval that was used, a gate had better hear of it.
  const byRecord: Then = { effect: effect === "not_deny" ? "needs_approval" : effect, rules, ...(obligations === undefined ? {} : { obligations }) };
  if (engine === undefined && recorded.policyVersion !== NO_POLICY) return { decision: byRecord, isReproduced: false };
  const again = takeDecision(engine, { ...question, circumstances: { ...question.circumstances, time: seen ?? new Date(at) } });
  return isEffect(effect, again.effect) ? { decision: again, isReproduced: true } : { decision: byRecord, isReproduced: false };
}

function compare(then: Then, now: Decision, { question, identity, resource, sessionId, commandId, statement, at }: PastDecision): Difference | undefined {
  const kind = differenceBetween(then, now);
  if (kind === undefined) return undefined;
  const { facts, action } = question;
  return {
    kind,
    action,
    identity,
    resource,
    fingerprint: facts?.fingerprint ?? "",
    riskClass: facts?.riskClass ?? "",
    verbs: facts?.verbs ?? [],
    rulesThen: then.rules,
    rulesNow: now.rules,
    reasonNow: now.reason,
    example: { sessionId, commandId, at, statement: statement.slice(0, MAX_EXAMPLE_CHARACTERS) },
  };
}

const doneAt = (at: string, since: Date, until: Date): number =>
  Math.min(1, Math.max(0, (Date.parse(at) - since.getTime()) / Math.max(1, until.getTime() - since.getTime())));

/** `lost`: its proposal is not in the record, or does not compile any more. */
type PastEngine = PolicyEngine | "lost";

/** Earlier policy versions, compiled when a decision names them; those that do not compile any more are known to be so. */
class PastEngines {
  readonly #past: PastDecisions;
  readonly #compiler: PolicyCompiler;
  /** A version is a digest of its files: where it was in force before, what it decides is remembered for both. */
  readonly #proposed: PolicyEngine;
  readonly #engines = new LruMap<PastEngine>(MAX_PAST_ENGINES);

  constructor(past: PastDecisions, compiler: PolicyCompiler, proposed: PolicyEngine) {
    this.#past = past;
    this.#compiler = compiler;
    this.#proposed = proposed;
  }

  get(version: string): PastEngine | undefined {
    return this.#engines.get(version);
  }

  async load(version: string): Promise<PastEngine> {
    const proposal = await this.#past.proposalOf(version);
    const event = proposal === undefined ? undefined : upcast(proposal);
    const files = event?.type === "PolicyProposed" ? event.data.files : undefined;
    const engine = files === undefined || policyVersion(files) !== version ? "lost" : this.#compiled(version, files);
    this.#engines.set(version, engine);
    return engine;
  }

  #compiled(version: string, files: Parameters<PolicyCompiler["compile"]>[1]): PastEngine {
    if (version === this.#proposed.version) return this.#proposed;
    try {
      return this.#compiler.compile(version, files);
    } catch {
      return "lost"; // the record speaks for it
    }
  }
}
