import { createHash } from "node:crypto";
import type { Context, EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import { type ByGrant, controlPlane, type DecisionRequest, type Principal, type ResourceRef } from "../domain/decision.ts";
import { type CommandFacts, plainFacts } from "../domain/facts.ts";
import { PossibleNames } from "./possible-names.ts";
import type { CircumstanceReader, Situation } from "./circumstances.ts";

/**
 * More names than this in one command are not looked at: the decision is a deny. Cedar takes some microseconds a name, so
 * that one command could otherwise hold up every other.
 */
export const MAX_FACT_NAMES = 4_096;

/** A part of a request in Cedar's terms, and a digest of all that it says. */
type Part<T> = { readonly kind: "ready"; readonly value: T; readonly key: string } | { readonly kind: "unfit"; readonly why: string };

export type CedarRequest =
  | {
      readonly kind: "ready";
      /** Equal for requests that cannot be decided differently under one policy version. */
      readonly key: string;
      readonly action: DecisionRequest["action"];
      readonly principal: EntityJson;
      readonly resource: EntityJson;
      readonly context: Context;
      /** For `replay` and `administer`. */
      readonly about: Context;
      readonly granted: ByGrant;
      readonly situation: Extract<Situation, { kind: "ready" }>;
    }
  | { readonly kind: "unfit"; readonly why: string };

/**
 * Turns requests into Cedar's terms. Owns nothing but memory of what it has seen, by identity: principals, resources and
 * facts are never changed in place, a change is a new object.
 *
 * R1. Of a principal's groups only those that some policy names are passed on, so that a decision costs the same with two
 *     groups and with 50,000. No policy can tell the difference: groups have neither attributes nor groups of their own.
 * R2. Identities that no policy names are all called the same, so that a decision on one is remembered for others of its kind and groups.
 * R3. Every attribute of the schema is always there.
 */
export class RequestTranslator {
  readonly #namedGroups: ReadonlySet<string>;
  readonly #namedIdentities: ReadonlySet<string>;
  /** An id that no policy names. */
  readonly #anybody: string;
  readonly #circumstances: CircumstanceReader;
  readonly #names: PossibleNames;
  readonly #principals = new WeakMap<Principal, Part<EntityJson>>();
  readonly #resources = new WeakMap<ResourceRef, Part<EntityJson>>();
  readonly #facts = new WeakMap<CommandFacts, Part<Context>>();

  constructor(
    named: { readonly groups: ReadonlySet<string>; readonly identities: ReadonlySet<string> },
    names: PossibleNames,
    circumstances: CircumstanceReader,
  ) {
    this.#names = names;
    this.#namedGroups = named.groups;
    this.#namedIdentities = named.identities;
    let anybody = "anybody";
    while (named.identities.has(anybody)) anybody += "-";
    this.#anybody = anybody;
    this.#circumstances = circumstances;
  }

  translate({ principal, action, resource, facts, granted = false, circumstances = {}, area, own = false }: DecisionRequest): CedarRequest {
    const who = remember(this.#principals, principal, () => this.#principal(principal));
    const where = remember(this.#resources, resource, () => resourcePart(resource));
    const what = this.#what(action, facts);
    if (who.kind === "unfit") return who;
    if (where.kind === "unfit") return where;
    if (what.kind === "unfit") return what;
    const situation = this.#circumstances.read(action, circumstances);
    if (situation.kind === "unfit") return situation;
    const isOwn = action === "replay" || action === "administer";
    if (isOwn && area === undefined) return { kind: "unfit", why: "what it is about is missing" };
    const about = isOwn && area !== undefined ? (action === "replay" ? { area, own } : { area }) : {};
    const subject = isOwn ? `${area ?? ""}${own ? "=" : ""}:` : "";
    const key = `${action}${granted === "emergency" ? "!" : granted ? "+" : ""}${subject}${who.key}${where.key}${what.key}${situation.key}`;
    return { kind: "ready", key, action, principal: who.value, resource: where.value, context: what.value, about, granted, situation };
  }

  #what(action: DecisionRequest["action"], facts: CommandFacts | undefined): Part<Context> {
    if (action !== "run" && action !== "approve") return noFacts;
    if (facts !== undefined) return remember(this.#facts, facts, () => factsPart(facts, this.#names));
    return action === "approve" ? factsOfAccess : missingFacts;
  }

  #principal({ id, kind, groups }: Principal): Part<EntityJson> {
    const named = [...new Set(groups.filter((group) => this.#namedGroups.has(group)))].toSorted();
    const called = this.#namedIdentities.has(id) ? id : this.#anybody;
    return part([id], { uid: { type: "Identity", id: called }, attrs: { kind }, parents: named.map((group) => ({ type: "Group", id: group })) });
  }
}

function resourcePart(resource: ResourceRef): Part<EntityJson> {
  const { name, protocol, labels } = resource;
  const type = resource === controlPlane ? "Sallyport" : "Resource";
  const pairs = Object.entries(labels);
  const ambiguous = pairs.find(([key]) => key.includes("="));
  if (ambiguous !== undefined) return { kind: "unfit", why: `the label key ${JSON.stringify(ambiguous[0])} of the resource contains "="` };
  const written = pairs.map(([key, value]) => `${key}=${value}`).toSorted();
  return part([name, protocol, ...written], { uid: { type, id: name }, attrs: { name, protocol, labels: written }, parents: [] });
}

function factsPart(facts: CommandFacts, possible: PossibleNames): Part<Context> {
  const {
    verbs,
    riskClass,
    relationsRead,
    relationsWritten,
    functions,
    functionClasses,
    hazards,
    statementCount,
    fingerprint,
    rowLimit,
    settings,
    transaction,
  } = facts;
  const { columnsRead, columnsFiltered, columnsMatched, columnsWritten, columnsCopied } = facts;
  const columns = [columnsRead, columnsFiltered, columnsMatched, columnsWritten, columnsCopied];
  const names = [verbs, relationsRead, relationsWritten, functions, hazards, settings, ...columns].flat();
  if (names.length > MAX_FACT_NAMES) return { kind: "unfit", why: `the command names ${names.length} things, more than ${MAX_FACT_NAMES}` };
  return part([...names, fingerprint], {
    verbs: [...verbs],
    riskClass,
    relationsRead: possible.relations(relationsRead),
    relationsWritten: possible.relations(relationsWritten),
    functions: [...functions],
    functionClasses: [...functionClasses],
    hazards: [...hazards],
    statementCount,
    unparsed: hazards.includes("unparsed"),
    fingerprint,
    columnsRead: possible.columns(columnsRead),
    columnsFiltered: possible.columns(columnsFiltered),
    columnsMatched: possible.columns(columnsMatched),
    columnsWritten: possible.columns(columnsWritten),
    columnsCopied: possible.columns(columnsCopied),
    rowLimit,
    settings: [...settings],
    transaction,
  });
}

const noFacts: Part<Context> = { kind: "ready", value: {}, key: "" };
/** What access will be used for is not known, so it has the riskiest class (I11). */
const factsOfAccess = factsPart({ ...plainFacts, riskClass: "unclassified", statementCount: 0 }, new PossibleNames({ relations: [], columns: [] }));
const missingFacts: Part<Context> = { kind: "unfit", why: "the facts of the command are missing" };

/** Cedar takes no text with half a surrogate pair; two such texts must not look alike either. */
function part<T extends Context | EntityJson>(texts: readonly string[], value: T): Part<T> {
  if (!texts.every((text) => text.isWellFormed())) return { kind: "unfit", why: "a name in it is not valid Unicode" };
  return { kind: "ready", value, key: createHash("sha256").update(JSON.stringify(value)).digest("base64url") };
}

function remember<K extends WeakKey, V>(memory: WeakMap<K, V>, key: K, make: () => V): V {
  const known = memory.get(key);
  if (known !== undefined) return known;
  const made = make();
  memory.set(key, made);
  return made;
}
