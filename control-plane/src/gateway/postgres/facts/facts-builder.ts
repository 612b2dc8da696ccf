import { type ColumnFacts, type CommandFacts, type Hazard, noColumnsKnown, type RiskClass, riskClasses } from "../../../domain/facts.ts";
import type { PreparedNames, StatedPurpose, TransactionVerb } from "./analysis.ts";

/** A statement that names more objects than this is not something a person decides on, and an event must stay small. */
export const MAX_NAMES = 500;
/** The reason is a line for people. */
export const MAX_REASON = 200;

/** Two ways to say the same: a class, and the words that policy may name. */
export interface Risk {
  readonly riskClass: RiskClass;
  readonly hazards: readonly Hazard[];
}

export const risk = (riskClass: RiskClass, ...hazards: readonly Hazard[]): Risk => ({ riskClass, hazards });

/** Collects what the statements of one text say; the class only ever gets worse. */
export class FactsBuilder {
  readonly prepares = new Set<string>();
  readonly deallocated = new Set<string>();
  readonly executes = new Set<string>();
  readonly transactionVerbs: TransactionVerb[] = [];
  /** Names; `*` for all of them. */
  readonly settings = new Set<string>();
  /** Undefined: they are not known. */
  columns: ColumnFacts | undefined;
  rowLimit = 0;
  deallocatesAll = false;
  /** Schemas that it may put on the search path; undefined: it leaves the path alone. */
  searchPath: Set<string> | undefined;
  /** It makes something that only this session has, and that hides what else has its name. */
  makesTemporary = false;
  leavesReadOnly = false;
  /** Names behind a dot. */
  readonly fields = new Set<string>();
  /** By settings of ours. */
  stated: StatedPurpose = {};
  /** While set, statements are only planned: they neither run nor write. What a planner may run (functions) still counts. */
  planned = false;

  readonly #verbs = new Set<string>();
  readonly #read = new Set<string>();
  readonly #written = new Set<string>();
  readonly #functions = new Set<string>();
  readonly #functionClasses = new Set<RiskClass>();
  readonly #hazards = new Set<Hazard>();
  readonly #reasons = new Set<string>();
  #worst = 0;

  changesSearchPath(schemas: readonly string[]): void {
    this.searchPath = new Set([...(this.searchPath ?? []), ...schemas]);
  }

  verb(name: string): void {
    if (!this.planned) this.#verbs.add(name);
  }

  /** The word EXPLAIN itself is said although nothing inside runs. */
  verbEvenIfPlanned(name: string): void {
    this.#verbs.add(name);
  }

  raise({ riskClass, hazards }: Risk): void {
    if (!this.planned) this.raiseEvenIfPlanned({ riskClass, hazards });
  }

  raiseEvenIfPlanned({ riskClass, hazards }: Risk): void {
    this.#worst = Math.max(this.#worst, riskClasses.indexOf(riskClass));
    for (const hazard of hazards) this.#hazards.add(hazard);
  }

  unclassified(reason: string, ...hazards: readonly Hazard[]): void {
    this.raiseEvenIfPlanned({ riskClass: "unclassified", hazards });
    this.#reasons.add(reason);
  }

  reads(relation: string): void {
    this.#read.add(relation);
  }

  writes(relation: string): void {
    (this.planned ? this.#read : this.#written).add(relation);
  }

  /** `riskClass`: of what the function may do. */
  calls(name: string, riskClass: RiskClass): void {
    this.#functions.add(name);
    this.#functionClasses.add(riskClass);
  }

  build(statementCount: number, fingerprint: string): CommandFacts {
    if (this.columns === undefined) this.unclassified("uses more columns than can be told");
    for (const names of [this.settings, this.#read, this.#written, this.#functions, this.prepares, this.executes, this.deallocated]) {
      if (names.size > MAX_NAMES) this.unclassified(`names more than ${MAX_NAMES} objects`);
    }
    const some = (names: ReadonlySet<string>): string[] => [...names].slice(0, MAX_NAMES);
    return {
      verbs: some(this.#verbs),
      riskClass: riskClasses[this.#worst] ?? "unclassified",
      relationsRead: some(this.#read),
      relationsWritten: some(this.#written),
      functions: some(this.#functions),
      functionClasses: riskClasses.filter((riskClass) => this.#functionClasses.has(riskClass)),
      hazards: [...this.#hazards],
      statementCount,
      fingerprint,
      ...(this.columns ?? noColumnsKnown),
      rowLimit: this.rowLimit,
      settings: some(this.settings),
      transaction: "none",
      unclassifiedReason: [...this.#reasons].join("; ").slice(0, MAX_REASON),
    };
  }

  preparedNames(): PreparedNames {
    return {
      prepares: [...this.prepares].slice(0, MAX_NAMES),
      deallocates: this.deallocatesAll || this.deallocated.size > MAX_NAMES ? "all" : [...this.deallocated],
      executes: [...this.executes].slice(0, MAX_NAMES),
    };
  }
}
