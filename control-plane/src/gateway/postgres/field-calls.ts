import { riskClasses } from "../../domain/facts.ts";
import { MAX_NAMES } from "./facts/facts-builder.ts";
import type { StatementAnalyser, StatementAnalysis } from "./facts/analysis.ts";
import type { AskNames, NamesFromTarget } from "./names-from-target.ts";

export interface FieldCallsDeps {
  readonly analyser: Pick<StatementAnalyser, "analyse">;
  /** Functions of the resource's own that take one row. */
  readonly functions: NamesFromTarget;
  readonly ask: AskNames;
  /** The agent answers such questions. */
  readonly answers: boolean;
}

type List = readonly StatementAnalysis[];

/**
 * `SELECT c.wipe FROM customers c` calls `wipe(customers)` where `customers` has no such column: as opaque as `wipe(c)`, which can be told
 * from the text alone. Here the analyses of one session's statements get that into their facts.
 *
 * C1. A name that such a function has is a call, whatever relation stands before it: that the relation has a column of this name as well
 *     is not asked.
 * C2. What the session made in a transaction that is still open nobody else sees; until that is over any field may be a call, as it may
 *     behind what may make functions in the same text or group, and where the target could not be asked (I3).
 */
export class FieldCalls implements Pick<StatementAnalyser, "analyse"> {
  readonly #deps: FieldCallsDeps;
  #unsettled = false;

  constructor(deps: FieldCallsDeps) {
    this.#deps = deps;
  }

  analyse(sql: Buffer): StatementAnalysis | Promise<StatementAnalysis> {
    const analysis = this.#deps.analyser.analyse(sql);
    if (analysis instanceof Promise) return analysis.then((known) => this.#one(known));
    return this.#one(analysis);
  }

  /** Of the texts of one group, in order: one may make what the next one calls. `before`: what the group executes that was prepared before it. */
  group(analyses: List, before: () => readonly (StatementAnalysis | undefined)[] = () => []): List | Promise<List> {
    const { answers, functions, ask } = this.#deps;
    if (!answers || analyses.every(({ fields }) => fields.length === 0)) return analyses;
    const unsettled = this.#unsettled || before().some((each) => each === undefined || mayMakeFunctions(each));
    const names = functions.get(ask);
    const judged = (known: readonly string[] | undefined): List => inOrder(analyses, known, unsettled);
    return names instanceof Promise ? names.then(judged) : judged(names);
  }

  /** Runs now. `undefined`: nothing is known of it. */
  runs(analysis: StatementAnalysis | undefined): void {
    if (analysis !== undefined && !mayMakeFunctions(analysis)) return;
    this.#unsettled = true;
    this.#deps.functions.forget();
  }

  /** No transaction is open any more, or the session is over. */
  settled(): void {
    if (this.#unsettled) this.#deps.functions.forget();
    this.#unsettled = false;
  }

  #one(analysis: StatementAnalysis): StatementAnalysis | Promise<StatementAnalysis> {
    const judged = this.group([analysis]);
    return judged instanceof Promise ? judged.then(([one = analysis]) => one) : (judged[0] ?? analysis);
  }
}

/** Behind what may make functions any field may be one, in the next text as in the next statement of the same one. */
function inOrder(analyses: List, functions: readonly string[] | undefined, unsettled: boolean): List {
  let made = unsettled;
  return analyses.map((each) => {
    const judged = withCalls(each, made || (each.facts.statementCount > 1 && mayMakeFunctions(each)) ? undefined : functions);
    made ||= mayMakeFunctions(judged);
    return judged;
  });
}

const MAKES_FUNCTIONS = /^(?:CREATE|ALTER) (?:FUNCTION|PROCEDURE|ROUTINE|AGGREGATE|EXTENSION)$/;

const mayMakeFunctions = ({ facts: { riskClass, verbs } }: StatementAnalysis): boolean =>
  riskClass === "unclassified" || verbs.some((verb) => MAKES_FUNCTIONS.test(verb));

/** One object for the same analysis and reason: what is the same is decided from memory, which goes by identity. */
const remembered = new WeakMap<StatementAnalysis, { readonly reason: string; readonly judged: StatementAnalysis }>();

/** `functions` undefined: any name may be one. */
function withCalls(analysis: StatementAnalysis, functions: readonly string[] | undefined): StatementAnalysis {
  const { facts, fields } = analysis;
  if (fields.length === 0 || facts.riskClass === "unclassified" || functions?.length === 0) return analysis;
  const called = functions === undefined || fields.includes(ANY) ? undefined : fields.find((name) => functions.includes(name));
  if (called === undefined && functions !== undefined && !fields.includes(ANY)) return analysis;
  const reason = called === undefined ? "names fields that may be functions, of which nothing is known" : `calls ${called}, of which nothing is known`;
  const before = remembered.get(analysis);
  if (before?.reason === reason) return before.judged;
  const hazards = facts.hazards.includes("opaque_function") ? facts.hazards : [...facts.hazards, "opaque_function" as const];
  const judged: StatementAnalysis = {
    ...analysis,
    facts: {
      ...facts,
      riskClass: "unclassified",
      functions: [...facts.functions, called ?? ANY].slice(0, MAX_NAMES),
      functionClasses: riskClasses.filter((riskClass) => riskClass === "unclassified" || facts.functionClasses.includes(riskClass)),
      hazards,
      unclassifiedReason: reason,
    },
  };
  remembered.set(analysis, { reason, judged });
  return judged;
}

const ANY = "*";
