import type { Context } from "@cedar-policy/cedar-wasm/nodejs";
import type { DecisionRequest } from "../domain/decision.ts";
import { type CommandFacts, plainFacts } from "../domain/facts.ts";
import type { PossibleNames } from "./possible-names.ts";
import { type Part, part, remember } from "./request-part.ts";
import type { Attributes, RequestSlice } from "./request-slice.ts";

/**
 * More names than this in one command are not looked at: the decision is a deny. Cedar takes some microseconds a name, so
 * that one command could otherwise hold up every other.
 */
export const MAX_FACT_NAMES = 4_096;

interface FactsAndNames {
  readonly facts: CommandFacts;
  readonly possible: PossibleNames;
}

/** Every attribute that the schema has of a command. */
const factAttributes: Attributes<FactsAndNames> = {
  verbs: ({ facts }) => [...facts.verbs],
  riskClass: ({ facts }) => facts.riskClass,
  relationsRead: ({ facts, possible }) => possible.relations(facts.relationsRead),
  relationsWritten: ({ facts, possible }) => possible.relations(facts.relationsWritten),
  functions: ({ facts }) => [...facts.functions],
  functionClasses: ({ facts }) => [...facts.functionClasses],
  hazards: ({ facts }) => [...facts.hazards],
  statementCount: ({ facts }) => facts.statementCount,
  unparsed: ({ facts }) => facts.hazards.includes("unparsed"),
  fingerprint: ({ facts }) => facts.fingerprint,
  columnsRead: ({ facts, possible }) => possible.columns(facts.columnsRead),
  columnsFiltered: ({ facts, possible }) => possible.columns(facts.columnsFiltered),
  columnsMatched: ({ facts, possible }) => possible.columns(facts.columnsMatched),
  columnsWritten: ({ facts, possible }) => possible.columns(facts.columnsWritten),
  columnsCopied: ({ facts, possible }) => possible.columns(facts.columnsCopied),
  rowLimit: ({ facts }) => facts.rowLimit,
  settings: ({ facts }) => [...facts.settings],
  transaction: ({ facts }) => facts.transaction,
};

/** What access will be used for is not known, so it has the riskiest class (I11). */
const factsOfAccess: CommandFacts = { ...plainFacts, riskClass: "unclassified", statementCount: 0 };

/**
 * Puts facts in Cedar's terms, as far as the rules see them. Owns nothing but memory of what it has seen, by identity.
 *
 * F1. Facts that are too many, or not what their type says, are judged by nobody, whether or not a rule looks at that part of them.
 */
export class FactsSlice {
  readonly #slice: RequestSlice;
  readonly #possible: PossibleNames;
  readonly #known = { run: new WeakMap<CommandFacts, Part<Context>>(), approve: new WeakMap<CommandFacts, Part<Context>>() };

  constructor(slice: RequestSlice, possible: PossibleNames) {
    this.#slice = slice;
    this.#possible = possible;
  }

  read(action: DecisionRequest["action"], facts: CommandFacts | undefined): Part<Context> {
    if (action !== "run" && action !== "approve") return noFacts;
    if (facts === undefined && action === "run") return { kind: "unfit", why: "the facts of the command are missing" };
    return remember(this.#known[action], facts ?? factsOfAccess, () => this.#part(action, facts ?? factsOfAccess));
  }

  #part(action: "run" | "approve", facts: CommandFacts): Part<Context> {
    const { verbs, relationsRead, relationsWritten, functions, hazards, settings, columnsRead, columnsFiltered, columnsMatched, columnsWritten } = facts;
    const lists = [verbs, relationsRead, relationsWritten, functions, hazards, settings, columnsRead, columnsFiltered, columnsMatched, columnsWritten];
    const names = [...lists, facts.columnsCopied].flat();
    if (names.length > MAX_FACT_NAMES) return { kind: "unfit", why: `the command names ${names.length} things, more than ${MAX_FACT_NAMES}` };
    if (![facts.statementCount, facts.rowLimit].every(Number.isSafeInteger)) return { kind: "unfit", why: "what it counts is no whole number" };
    const texts = [...names, ...facts.functionClasses, facts.riskClass, facts.fingerprint, facts.transaction];
    // The class is named where nothing permits, whether or not a rule looks at it.
    const said = facts === factsOfAccess ? [] : [facts.riskClass];
    return part(texts, this.#slice.context(action, factAttributes, { facts, possible: this.#possible }), said);
  }
}

const noFacts: Part<Context> = { kind: "ready", value: {}, key: "" };
