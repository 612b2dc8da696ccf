import type { Policies } from "../../application/policy-ports.ts";
import { columnsToTrace, OF_ANYTHING, OF_ITSELF, withOrigins } from "../../domain/column-origins.ts";
import type { CommandFacts } from "../../domain/facts.ts";
import type { CatalogueClient } from "./catalogue-client.ts";
import type { ColumnCatalogue } from "./column-catalogue.ts";
import type { Executable } from "./command-record.ts";

export interface ColumnTracerDeps {
  readonly policies: Policies;
  /** Of the resource. */
  readonly catalogue: ColumnCatalogue;
  readonly catalogueClient: CatalogueClient;
  /** The agent answers such questions. */
  readonly answers: boolean;
}

/**
 * Says of one session's commands what the columns that they look at are made of, before policy decides on them.
 *
 * T1. Only where the policy in force asks what commands do with masked columns.
 * T2. From a command that may change definitions up to the end of its transaction nobody else sees what it made: until then every column
 *     that the session's commands look at may be anything.
 */
export class ColumnTracer {
  readonly #deps: ColumnTracerDeps;
  #unsettled = false;

  constructor(deps: ColumnTracerDeps) {
    this.#deps = deps;
  }

  /** A promise only when the agent must be asked. */
  trace(executables: readonly Executable[]): readonly Executable[] | Promise<readonly Executable[]> {
    const { policies, catalogue, catalogueClient, answers } = this.#deps;
    const tables = answers ? policies.current()?.maskedTables : undefined;
    if (tables === undefined) return executables;
    if (this.#unsettled || changesFirst(executables)) return executables.map((one) => ({ ...one, facts: ofAnything(one.facts), ofText: one.facts }));
    const ask = (columns: readonly string[]): ReturnType<CatalogueClient["ask"]> => catalogueClient.ask(columns, tables);
    const traced = executables.map(({ facts }) => catalogue.trace(facts, ask));
    const known = traced.filter((facts): facts is CommandFacts => !(facts instanceof Promise));
    if (known.length === traced.length) return withFacts(executables, known);
    return Promise.all(traced.map((facts) => Promise.resolve(facts))).then((facts) => withFacts(executables, facts));
  }

  /** Runs now. `undefined`: nothing is known of it. */
  runs(facts: CommandFacts | undefined): void {
    if (facts !== undefined && !mayChangeDefinitions(facts)) return;
    this.#unsettled = true;
    this.#deps.catalogue.changes(this);
  }

  /** No transaction is open any more, or the session is over. */
  settled(): void {
    if (!this.#unsettled) return;
    this.#unsettled = false;
    this.#deps.catalogue.settled(this);
  }
}

/** Whether names may mean something else after it. Deleting everything changes no definition; what else is worse than a write may. */
export const mayChangeDefinitions = ({ riskClass, hazards }: CommandFacts): boolean =>
  riskClass !== "read" && riskClass !== "write" && (riskClass !== "destructive" || hazards.includes("ddl") || hazards.includes("drop"));

/** A command looks at what one before it in the same unit, or in its own text, has made. */
function changesFirst(executables: readonly Executable[]): boolean {
  const last = executables.length - 1;
  return executables.some(({ facts }, index) => mayChangeDefinitions(facts) && (index < last || facts.statementCount > 1));
}

/** The very same list where nothing came to the facts. */
function withFacts(executables: readonly Executable[], traced: readonly CommandFacts[]): readonly Executable[] {
  if (executables.every(({ facts }, index) => facts === traced[index])) return executables;
  return executables.map((one, index) => ({ ...one, facts: traced[index] ?? one.facts, ofText: one.facts }));
}

function ofAnything(facts: CommandFacts): CommandFacts {
  const columns = new Set(columnsToTrace(facts));
  return withOrigins(facts, (name) => (columns.has(name) ? OF_ANYTHING : OF_ITSELF));
}
