import { schemaVersionOf, upcast } from "../../domain/catalogue.ts";
import {
  type ByGrant,
  type Circumstances,
  grantedIn,
  type Obligations,
  type Principal,
  type RecordedDecision,
  type ResourceRef,
  type ToldEffect,
} from "../../domain/decision.ts";
import type { DomainEvent } from "../../domain/events.ts";
import type { CommandFacts } from "../../domain/facts.ts";
import * as identity from "../../domain/identity/identity.decider.ts";
import { type IdentityEvent, identityStream } from "../../domain/identity/identity.events.ts";
import { forgottenSubject } from "../../domain/names.ts";
import { idOfStream } from "../../domain/record-streams.ts";
import * as resource from "../../domain/resource/resource.decider.ts";
import { type ResourceEvent, resourceStream } from "../../domain/resource/resource.events.ts";
import type { RecordedCommand } from "../../domain/session/session.events.ts";
import type { Question } from "../../domain/take-decision.ts";
import type { ReadableLedger, RecordedEvent } from "../../ledger/ledger.ts";
import { FoldedStreams } from "../folded-streams.ts";

/** A decision of the record, with all that it was taken on, as it was then. */
export interface PastDecision {
  readonly question: Question;
  readonly identity: string;
  readonly resource: string;
  readonly recorded: RecordedDecision;
  /** As the kind of event tells. */
  readonly effect: ToldEffect;
  /** Of a unit of commands together; undefined where the event has none. */
  readonly obligations: Obligations | undefined;
  readonly sessionId: string;
  readonly commandId: number;
  readonly statement: string;
  readonly at: string;
  /** Recorded by an earlier release, which knew fewer facts. */
  readonly isOfEarlierRelease: boolean;
  /** Whoever it was decided on was forgotten since. */
  readonly isForgotten: boolean;
}

interface OpenSession {
  readonly principal: Principal;
  readonly resource: string;
  readonly clientAddress: string;
  readonly granted: ByGrant;
  readonly purpose: Circumstances["purpose"];
}

const KNOWLEDGE = ["Session", "PurposeStated", "IdentityProvisioned", "IdentityDisabled", "RolesChanged", "Resource", "PolicyProposed"];
const DECISIONS = ["CommandAuthorized", "CommandDenied", "CommandHeld", "AccessRequested"];

/** Facts that are one object each, so that whatever is remembered by them is found. */
export const MAX_KNOWN_FACTS = 16_384;

/**
 * The decisions of the record from an instant on, in order, each with who, what and where as they were at that moment: people have the
 * groups that they had, resources the labels. Folds what it needs as it reads, in memory that grows with identities, resources and
 * sessions that were open at the same time, and not with commands.
 */
export class PastDecisions {
  readonly #ledger: ReadableLedger;
  readonly #identities = new FoldedStreams<identity.IdentityState, IdentityEvent>(identity);
  readonly #resources = new FoldedStreams<resource.ResourceState, ResourceEvent>(resource);
  readonly #principals = new WeakMap<identity.IdentityState, Principal>();
  readonly #served = new WeakMap<resource.ResourceState, ResourceRef>();
  readonly #sessions = new Map<string, OpenSession>();
  readonly #facts = new Map<string, CommandFacts>();
  /** Where the text of each policy version stands in the log. */
  readonly #proposals = new Map<string, bigint>();

  constructor(ledger: ReadableLedger) {
    this.#ledger = ledger;
  }

  /** The event that proposed this version last, of what was read so far. */
  async proposalOf(version: string): Promise<RecordedEvent | undefined> {
    const position = this.#proposals.get(version);
    if (position === undefined) return undefined;
    for await (const recorded of this.#ledger.readAll({ from: position, limit: 1 })) return recorded;
    return undefined;
  }

  async *between(since: Date, until: Date): AsyncGenerator<PastDecision> {
    let last: bigint | undefined;
    for await (const recorded of this.#ledger.readAll({ filter: { by: "type", prefixes: KNOWLEDGE } })) {
      if (recorded.recordedAt >= since) break;
      this.#learn(recorded, upcast(recorded));
      last = recorded.position;
    }
    const from = last === undefined ? {} : { from: last };
    for await (const recorded of this.#ledger.readAll({ ...from, filter: { by: "type", prefixes: [...KNOWLEDGE, ...DECISIONS] } })) {
      if (recorded.recordedAt > until) return;
      if (recorded.recordedAt < since || recorded.position === last) continue;
      const event = upcast(recorded);
      const decision = this.#decisionIn(recorded, event);
      if (decision !== undefined) yield decision;
      this.#learn(recorded, event);
    }
  }

  #learn(recorded: RecordedEvent, event: DomainEvent): void {
    const { stream, revision } = recorded;
    switch (event.type) {
      case "IdentityProvisioned":
      case "RolesChanged":
      case "IdentityDisabled":
        this.#identities.apply(stream, revision, event);
        return;
      case "ResourceRegistered":
      case "ResourceChanged":
      case "ResourceRetired":
        this.#resources.apply(stream, revision, event);
        return;
      case "PolicyProposed":
        this.#proposals.set(event.data.version, recorded.position);
        return;
      case "SessionRequested": {
        const { identity: principal, resource: name, clientAddress } = event.data;
        this.#sessions.set(stream, { principal, resource: name, clientAddress, granted: false, purpose: undefined });
        return;
      }
      case "PurposeStated": {
        const { reason, ticket } = event.data;
        this.#change(stream, { purpose: { reason, ticket } });
        return;
      }
      case "SessionOpened":
      case "SessionContinued":
        this.#change(stream, { granted: grantedIn(event.data) });
        return;
      case "SessionRefused":
      case "SessionEnded":
        this.#sessions.delete(stream);
        break;
      default:
    }
  }

  #change(stream: string, change: Partial<OpenSession>): void {
    const known = this.#sessions.get(stream);
    if (known !== undefined) this.#sessions.set(stream, { ...known, ...change });
  }

  #decisionIn(recorded: RecordedEvent, event: DomainEvent): PastDecision | undefined {
    switch (event.type) {
      case "SessionOpened":
        return this.#ofSession(recorded, event.data.decision, "allow", grantedIn(event.data));
      case "SessionContinued":
        return this.#ofSession(recorded, event.data.decision, "allow", grantedIn(event.data), "as they were by then");
      case "SessionRefused": {
        const { decision, code } = event.data;
        return decision === undefined ? undefined : this.#ofSession(recorded, decision, code.startsWith("policy.") ? "deny" : "allow", grantedIn(event.data));
      }
      case "CommandAuthorized":
        return this.#ofCommand(recorded, event.data, event.data.decision, event.data.approvalId === undefined ? "allow" : "not_deny", event.data.obligations);
      case "CommandHeld":
        return this.#ofCommand(recorded, event.data, event.data.decision, "needs_approval");
      case "CommandDenied":
        // What was held before was decided then; other codes are not policy's.
        return event.data.code.startsWith("policy.") ? this.#ofCommand(recorded, event.data, event.data.decision, "deny") : undefined;
      case "AccessRequested": {
        const { requestedBy, resource: name, reason, ticket, decision, quorum, emergency } = event.data;
        const action = emergency === true ? "break_glass" : "request";
        const question = { ...this.#of(requestedBy, undefined, name), action, circumstances: { purpose: { reason, ticket } } } as const;
        return this.#past(recorded, question, { identity: requestedBy, resource: name, decision, effect: quorum === 0 ? "allow" : "needs_approval" });
      }
      default:
        return undefined;
    }
  }

  #ofSession(
    recorded: RecordedEvent,
    decision: RecordedDecision,
    effect: ToldEffect,
    granted: ByGrant,
    who: "as they came" | "as they were by then" = "as they came",
  ): PastDecision | undefined {
    const session = this.#sessions.get(recorded.stream);
    if (session === undefined) return undefined; // it was requested before what was read, or is removed
    const { principal, resource: name, clientAddress, purpose } = session;
    const circumstances = { clientAddress, ...(purpose === undefined ? {} : { purpose }) };
    const came = who === "as they came" ? { principal } : {};
    const question = { ...this.#of(principal.id, principal, name), ...came, action: "open", granted, circumstances } as const;
    return this.#past(recorded, question, { identity: principal.id, resource: name, decision, effect });
  }

  #ofCommand(
    recorded: RecordedEvent,
    command: RecordedCommand,
    decision: RecordedDecision,
    effect: ToldEffect,
    obligations?: Obligations,
  ): PastDecision | undefined {
    const session = this.#sessions.get(recorded.stream);
    if (session === undefined) return undefined;
    const { principal, resource: name, clientAddress, purpose, granted } = session;
    const circumstances = { clientAddress, ...(purpose === undefined ? {} : { purpose }) };
    const question = { ...this.#of(principal.id, principal, name), action: "run", facts: this.#known(command.facts), granted, circumstances } as const;
    const { commandId, statement = "" } = command;
    return { ...this.#past(recorded, question, { identity: principal.id, resource: name, decision, effect }), commandId, statement, obligations };
  }

  /** Who and where, as they were; a session's own principal where the identity is not in the record. */
  #of(identityId: string, fallback: Principal | undefined, name: string): Pick<Question, "principal" | "resource"> {
    const state = this.#identities.get(identityStream(identityId))?.state;
    const served = this.#resources.get(resourceStream(name))?.state;
    return {
      principal: state === undefined ? fallback : state.status === "active" ? remembered(this.#principals, state, principalOf) : undefined,
      resource: served?.status === "registered" ? remembered(this.#served, served, resourceOf) : undefined,
    };
  }

  #past(
    { stream, type, metadata }: RecordedEvent,
    question: Question,
    { identity: who, resource: name, decision, effect }: Pick<PastDecision, "identity" | "resource" | "effect"> & { readonly decision: RecordedDecision },
  ): PastDecision {
    return {
      question,
      identity: who,
      resource: name,
      recorded: decision,
      effect,
      obligations: undefined,
      sessionId: idOfStream(stream),
      commandId: 0,
      statement: "",
      at: metadata.at,
      isOfEarlierRelease: metadata.schemaVersion < schemaVersionOf(type as DomainEvent["type"]),
      isForgotten: forgottenSubject(who) !== undefined,
    };
  }

  #known(facts: CommandFacts): CommandFacts {
    const text = JSON.stringify(facts);
    const known = this.#facts.get(text);
    if (known !== undefined) return known;
    if (this.#facts.size >= MAX_KNOWN_FACTS) this.#facts.clear();
    this.#facts.set(text, facts);
    return facts;
  }
}

const principalOf = ({ identityId: id, kind, groups }: identity.IdentityState): Principal => ({ id, kind, groups });
const resourceOf = ({ name, protocol, labels }: resource.ResourceState): ResourceRef => ({ name, protocol, labels });

function remembered<K extends WeakKey, V>(memory: WeakMap<K, V>, key: K, make: (key: K) => V): V {
  let known = memory.get(key);
  if (known === undefined) memory.set(key, (known = make(key)));
  return known;
}
