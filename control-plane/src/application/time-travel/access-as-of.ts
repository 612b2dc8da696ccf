import { setImmediate as nextTurn } from "node:timers/promises";
import { SallyportError } from "@sallyport/proto/errors";
import { agentStream } from "../../domain/agent/agent.events.ts";
import { decideAuthority } from "../../domain/authority.ts";
import type { Decision, ByGrant, PolicyAction, PolicyEngine, Principal } from "../../domain/decision.ts";
import { plainFacts, type CommandFacts, riskClasses, type RiskClass } from "../../domain/facts.ts";
import type { ResourceState } from "../../domain/resource/resource.decider.ts";
import { grantedBy } from "../grant-view.ts";
import type { GrantView } from "../grant-ports.ts";
import { giverOf } from "../voters.ts";
import type { StateAsOf } from "./state-as-of.ts";

export interface AccessDecision {
  readonly action: PolicyAction;
  /** For `run`. */
  readonly riskClass: RiskClass | undefined;
  readonly decision: Decision;
}

export interface Access {
  readonly principal: Principal;
  readonly resource: ResourceState;
  /** What policy allowed could be done only through this. */
  readonly agent: "connected" | "offline" | "revoked";
  /** That they could use there, and that it was decided with. */
  readonly grant: GrantView | undefined;
  readonly decisions: readonly AccessDecision[];
  /** Whose word they could give beside their own, with what policy said to that person. */
  readonly inPlaceOf: readonly PlaceTaken[];
}

export interface PlaceTaken {
  readonly from: string;
  readonly until: Date;
  readonly approve: Decision;
}

/**
 * Each is nine decisions of about a tenth of a millisecond, and one more for each whose place is taken, between which other work runs;
 * and about 2 KB of the answer.
 */
export const MAX_ACCESS_PAIRS = 1_000;

export interface AccessFilter {
  readonly identity?: string;
  readonly resource?: string;
}

const wanted = (name: string, only: string | undefined): boolean => only === undefined || only === name;

/** Active identities, in order. Fails with `input.invalid` when they are too many. */
export function principalsAsOf(state: StateAsOf, { identity }: AccessFilter): readonly Principal[] {
  const principals = [...state.identities.states()]
    .filter(({ status, identityId }) => status === "active" && wanted(identityId, identity))
    .map(({ identityId: id, kind, groups }): Principal => ({ id, kind, groups }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  if (principals.length > MAX_ACCESS_PAIRS)
    throw new SallyportError("input.invalid", `That is ${String(principals.length)} identities, more than ${String(MAX_ACCESS_PAIRS)}: name one of them.`);
  return principals;
}

/** What policy said to each of them about each resource that was served. Fails with `input.invalid` when they are too many. */
export async function accessAsOf(state: StateAsOf, engine: PolicyEngine, principals: readonly Principal[], filter: AccessFilter): Promise<readonly Access[]> {
  const resources = [...state.resources.states()]
    .filter(({ status, name }) => status === "registered" && wanted(name, filter.resource))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const pairs = principals.length * resources.length;
  if (pairs > MAX_ACCESS_PAIRS) {
    throw new SallyportError(
      "input.invalid",
      `That is ${String(pairs)} pairs of identity and resource, more than ${String(MAX_ACCESS_PAIRS)}: name one of them.`,
    );
  }
  const found: Access[] = [];
  for (const principal of principals) {
    for (const resource of resources) {
      const grant = state.grants.openFor(principal.id, resource.name, state.moment);
      const decisions = decide(engine, principal, resource, grantedBy(grant), state.moment);
      found.push({ principal, resource, agent: agentOf(state, resource), grant, decisions, inPlaceOf: placesTaken(state, engine, principal, resource) });
      await nextTurn();
    }
  }
  return found;
}

function decide(engine: PolicyEngine, principal: Principal, { name, protocol, labels }: ResourceState, granted: ByGrant, time: Date): AccessDecision[] {
  const resource = { name, protocol, labels };
  const ask = (action: PolicyAction, riskClass?: RiskClass, facts?: CommandFacts): AccessDecision => ({
    action,
    riskClass,
    decision: engine.decide({ principal, action, resource, granted, circumstances: { time }, ...(facts === undefined ? {} : { facts }) }),
  });
  const replay = decideAuthority({ kind: "loaded", engine }, { principal, action: "replay", area: "sessions", resource }, time);
  return [
    ask("open"),
    ...riskClasses.map((riskClass) => ask("run", riskClass, typical[riskClass])),
    // Asked of whoever would decide on what is riskiest and still judged.
    ask("approve", undefined, typical.destructive),
    ask("request"),
    { action: "replay", riskClass: undefined, decision: replay },
  ];
}

/** As `voters.ts` finds them. */
function placesTaken(state: StateAsOf, engine: PolicyEngine, { id, kind }: Principal, { name, protocol, labels }: ResourceState): readonly PlaceTaken[] {
  if (kind !== "human") return [];
  const about = { action: "approve", resource: { name, protocol, labels }, facts: typical.destructive, circumstances: { time: state.moment } } as const;
  return state.delegations.openTo(id, state.moment).flatMap(({ from, endsAt: until }): readonly PlaceTaken[] => {
    const principal = giverOf(state, from);
    return principal === undefined ? [] : [{ from, until, approve: engine.decide({ principal, ...about }) }];
  });
}

function agentOf(state: StateAsOf, { agentId }: ResourceState): Access["agent"] {
  const agent = state.agents.get(agentStream(agentId))?.state;
  if (agent?.status !== "enrolled") return "revoked";
  return agent.connected ? "connected" : "offline";
}

const factsOf = (riskClass: RiskClass, verbs: readonly string[], more: Partial<CommandFacts> = {}): CommandFacts => ({
  ...plainFacts,
  verbs,
  riskClass,
  ...more,
});

/** A statement of each class that touches no table by name: what rules about certain tables or dangers say is not in it. */
const typical: Readonly<Record<RiskClass, CommandFacts>> = {
  read: factsOf("read", ["SELECT"]),
  write: factsOf("write", ["UPDATE"]),
  destructive: factsOf("destructive", ["DELETE"], { hazards: ["delete_without_where"] }),
  administrative: factsOf("administrative", ["VACUUM"]),
  unclassified: factsOf("unclassified", [], { hazards: ["unparsed"], unclassifiedReason: "An example of text that cannot be parsed." }),
};
