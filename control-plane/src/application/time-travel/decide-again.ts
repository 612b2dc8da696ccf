import { describeSteps, type RuleTerms, termsAsked } from "../../domain/approval/terms.ts";
import { upcast } from "../../domain/catalogue.ts";
import type { Decider } from "../../domain/decider.ts";
import {
  type ByGrant,
  type Circumstances,
  type Decision,
  isEffect,
  type Obligations,
  type PolicyAction,
  type Principal,
  type RecordedDecision,
  type ResourceRef,
  type ToldEffect,
} from "../../domain/decision.ts";
import type { DomainEvent } from "../../domain/events.ts";
import type { CommandFacts } from "../../domain/facts.ts";
import { activePrincipal } from "../../domain/identity/active-principal.ts";
import * as identity from "../../domain/identity/identity.decider.ts";
import { type IdentityEvent, identityStream } from "../../domain/identity/identity.events.ts";
import { sameObligations, strictestObligations } from "../../domain/obligations.ts";
import { forgottenSubject } from "../../domain/names.ts";
import * as policy from "../../domain/policy/policy.decider.ts";
import { policyStream, type PolicyEvent } from "../../domain/policy/policy.events.ts";
import * as resource from "../../domain/resource/resource.decider.ts";
import { type ResourceEvent, resourceStream } from "../../domain/resource/resource.events.ts";
import { NO_POLICY, takeDecision } from "../../domain/take-decision.ts";
import type { Ledger, RecordedEvent } from "../../ledger/ledger.ts";
import { type Cut, readStreamUntil, readUntil } from "./moment.ts";
import type { PolicyVersions } from "./policy-versions.ts";

/** What was decided, on what, by the record. */
export interface Taken {
  readonly action: PolicyAction;
  /** A whole principal when the record holds one; otherwise who it was at that moment is folded from the ledger. */
  readonly principal: Principal | string;
  readonly resource: string;
  readonly facts?: CommandFacts;
  /** In a session that used a grant. */
  readonly granted?: ByGrant;
  /** But for the time, which the recorded decision has. */
  readonly circumstances?: Omit<Circumstances, "time">;
  readonly recorded: RecordedDecision;
  /** As the kind of event tells; undefined when it does not. */
  readonly effect: ToldEffect | undefined;
  /** Of a unit of commands together, so at least as strict as this one asks for. */
  readonly obligations?: Obligations;
  /** How people had to agree, of what was held or asked for. */
  readonly terms?: AskedTerms;
  /** The event that says so. */
  readonly in: RecordedEvent;
}

export type AskedTerms = Pick<RuleTerms, "steps" | "denyBy" | "approverHours">;

export interface TakenAgain {
  readonly verdict: "same" | "different";
  readonly principal: Principal | undefined;
  readonly resource: ResourceRef | undefined;
  readonly decision: Decision | undefined;
  /** What differs, in words; empty when nothing does. */
  readonly differences: readonly string[];
  /** Something that it was decided on changed just before the decision was recorded, and the answer is the same without that change. */
  readonly beforeChangeAt: bigint | undefined;
}

/** A decision of the record, with the same decision taken now. */
export interface ExplainedDecision {
  readonly taken: Taken;
  readonly again: TakenAgain;
}

/** Who agreed or refused, and whether policy let them. */
export interface ExplainedVote extends ExplainedDecision {
  readonly by: string;
  readonly comment: string;
  readonly agreed: boolean;
}

/** A decision is recorded some time after it is taken: as long as a command waits for its event, and then some. */
export const RECORD_LAG_MS = 5_000;

/** I14: takes a recorded decision again, under the policy version and on the facts of the record, with who and what as they were then. */
export async function decideAgain(ledger: Ledger, policies: PolicyVersions, taken: Taken): Promise<TakenAgain> {
  const cut: Cut = { upTo: taken.in.position, at: undefined };
  const { policyVersion } = taken.recorded;
  const inForce = await states<policy.PolicyState, PolicyEvent>(ledger, cut, policyStream(), taken.in, policy);
  const published = inForce.map(({ state }) => state.published ?? NO_POLICY);
  const wasInForce = published.includes(policyVersion) || (await keptInstead(ledger, cut, policyVersion, published));
  const unforced = wasInForce ? [] : [`Policy ${policyVersion} was not in force then; ${inForce[0]?.state.published ?? "none"} was.`];

  const found = policyVersion === NO_POLICY ? undefined : await policies.find(policyVersion, cut);
  if (found === undefined && policyVersion !== NO_POLICY) {
    return {
      verdict: "different",
      principal: undefined,
      resource: undefined,
      decision: undefined,
      differences: [`The text of policy ${policyVersion} is not in the ledger.`],
      beforeChangeAt: undefined,
    };
  }
  const engine = found === undefined ? undefined : policies.engine(found);

  const who = await principals(ledger, cut, taken);
  const where = await states<resource.ResourceState, ResourceEvent>(ledger, cut, resourceStream(taken.resource), taken.in, resource);
  const { seen } = taken.recorded;
  const circumstances: Circumstances = { ...taken.circumstances, ...(seen === undefined ? {} : { time: seen }) };
  let first: TakenAgain | undefined;
  for (const { state: principal, until: principalUntil } of who) {
    for (const { state, until } of where) {
      const { name, protocol, labels } = state;
      const served: ResourceRef | undefined = state.status === "registered" ? { name, protocol, labels } : undefined;
      const { action, facts, granted } = taken;
      const decision = takeDecision(engine, { principal, resource: served, action, facts, granted, circumstances });
      const plain = [...unforced, ...compare(taken, decision)];
      const isForgotten = plain.length > 0 && forgottenSubject(principal?.id ?? "") !== undefined;
      const differences = isForgotten ? [...plain, "Whoever it was decided on was forgotten: rules that name them do not meet them any more."] : plain;
      const beforeChangeAt = principalUntil ?? until;
      const again: TakenAgain = {
        verdict: differences.length === 0 ? "same" : "different",
        principal,
        resource: served,
        decision,
        differences,
        beforeChangeAt,
      };
      if (again.verdict === "same") return again;
      first ??= again;
    }
  }
  // Unreachable without: each list has the state at the cut.
  if (first === undefined) throw new Error("There was no state to decide on.");
  return first;
}

/** A node that could not load a version in force decided under this one in its place, and recorded that. */
async function keptInstead(ledger: Ledger, cut: Cut, keeps: string, published: readonly string[]): Promise<boolean> {
  for await (const recorded of readUntil(ledger, cut, { by: "type", prefixes: ["PolicyLoadFailed"] })) {
    const event = upcast(recorded);
    if (event.type === "PolicyLoadFailed" && event.data.keeps === keeps && published.includes(event.data.policyVersion)) return true;
  }
  return false;
}

interface Version<State> {
  readonly state: State;
  /** Position of the event that ended it; undefined for the last within the cut. */
  readonly until: bigint | undefined;
}

/** The state at the cut, then those that were replaced so shortly before the record that it may have been decided on them. */
async function states<State, Event extends DomainEvent>(
  ledger: Ledger,
  cut: Cut,
  stream: string,
  { recordedAt: recorded }: RecordedEvent,
  { evolve, initialState }: Pick<Decider<never, State, Event>, "evolve" | "initialState">,
): Promise<readonly Version<State>[]> {
  let state = initialState;
  const earlier: Version<State>[] = [];
  for await (const each of readStreamUntil(ledger, cut, stream)) {
    if (recorded.getTime() - each.recordedAt.getTime() <= RECORD_LAG_MS) earlier.unshift({ state, until: each.position });
    state = evolve(state, upcast(each) as Event);
  }
  return [{ state, until: undefined }, ...earlier];
}

async function principals(ledger: Ledger, cut: Cut, { principal, in: recorded }: Taken): Promise<readonly Version<Principal | undefined>[]> {
  if (typeof principal !== "string") return [{ state: principal, until: undefined }];
  const found = await states<identity.IdentityState, IdentityEvent>(ledger, cut, identityStream(principal), recorded, identity);
  return found.map(({ state, until }) => ({ state: activePrincipal(state), until }));
}

function compare({ recorded, effect, obligations, terms }: Taken, now: Decision): string[] {
  const differences: string[] = [];
  const differ = (what: string, then: string, again: string): void => {
    if (then !== again) differences.push(`${what}: recorded ${then === "" ? "nothing" : then}, now ${again === "" ? "nothing" : again}.`);
  };
  if (effect !== undefined && !isEffect(effect, now.effect)) differ("Effect", effect === "not_deny" ? "allow or needs_approval" : effect, now.effect);
  differ("Rules", recorded.rules.join(", "), now.rules.join(", "));
  differ("Reason", recorded.reason, now.reason);
  differ("To be told", (recorded.notify ?? []).join(", "), (now.notify ?? []).join(", "));
  if (terms !== undefined) {
    const asks = termsAsked(now);
    differ("People", describeSteps(terms.steps), describeSteps(asks.steps));
    differ("May deny", terms.denyBy.join(", "), asks.denyBy.join(", "));
    differ("Hours", terms.approverHours.join(", "), asks.approverHours.join(", "));
  }
  if (obligations !== undefined && !sameObligations(obligations, strictestObligations([obligations, now.obligations]))) {
    differ("Obligations", JSON.stringify(obligations), JSON.stringify(now.obligations));
  }
  return differences;
}
