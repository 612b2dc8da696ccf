import type { Node } from "@pgsql/types";
import type { StatementOutputs } from "../analysis.ts";
import { evaluatesNothing } from "../evaluates-nothing.ts";
import { type Entry, type Item, wholeRow } from "./scope.ts";
import { newTracer, type Result, traceStatement } from "./statements.ts";
import { TooIntricate, type Tracer, type TraitsOf } from "./tracer.ts";
import { anything, Gathered, isNothing, nothing, outputOf, type Value } from "./values.ts";

/** The most that a select list can hold. */
const MAX_COLUMNS = 1_664;
/** Sources of one text's outputs, all told: they are kept in the cache with the text. */
export const MAX_OUTPUT_SOURCES = 2_000;

const noResult: StatementOutputs = { columns: [], computed: outputOf(nothing), originsTell: true, assigned: [], evaluatesNothing: false };
export const unknownResult: StatementOutputs = {
  columns: undefined,
  computed: outputOf(anything),
  originsTell: false,
  assigned: undefined,
  evaluatesNothing: false,
};

/** The columns of each statement's result and where their values come from; `tracers` hold what was looked at for them, undefined for what was too much. */
export interface Traced {
  readonly outputs: readonly StatementOutputs[];
  readonly tracers: readonly (Tracer | undefined)[];
}

export function trace(statements: readonly (Node | undefined)[], traitsOf: TraitsOf): Traced {
  let left = MAX_OUTPUT_SOURCES;
  const outputs: StatementOutputs[] = [];
  const tracers: (Tracer | undefined)[] = [];
  for (const statement of statements) {
    const tracer = newTracer(traitsOf);
    try {
      const found =
        statement === undefined ? noResult : { ...describe(tracer, traceStatement(tracer, statement)), evaluatesNothing: evaluatesNothing(statement) };
      left -= sourcesOf(found);
      outputs.push(left < 0 ? unknownResult : found);
      tracers.push(tracer);
    } catch (error) {
      if (!(error instanceof TooIntricate)) throw error;
      outputs.push(unknownResult);
      tracers.push(undefined);
    }
  }
  return { outputs, tracers };
}

function describe(tracer: Tracer, result: Result): Omit<StatementOutputs, "evaluatesNothing"> {
  if (result === "unknown") return unknownResult;
  const columns = counted(tracer, result);
  const made = new Made();
  made.items(result);
  const assigned = Array.from(tracer.assigned, ([name, { value }]) => ({ name, value: outputOf(value) }));
  return { columns: columns?.map(outputOf), computed: outputOf(made.computed.value), originsTell: made.originsTell, assigned };
}

/** Undefined where a star stands for columns that the text does not tell. */
function counted(tracer: Tracer, items: readonly Item[]): readonly Value[] | undefined {
  const columns: Value[] = [];
  const stack = items.toReversed();
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    tracer.spend(1);
    if (item.kind === "column") columns.push(item.value);
    else if (item.merged || columns.length > MAX_COLUMNS) return undefined;
    else {
      const inside: Item[] = [];
      for (const entry of item.entries) {
        if (entry.kind !== "rows") return undefined;
        for (const each of entry.items) inside.push(each);
      }
      for (const each of inside.toReversed()) stack.push(each);
    }
  }
  return columns.length > MAX_COLUMNS ? undefined : columns;
}

/** Gathers what is not plain, wherever a star hides it. */
class Made {
  readonly computed = new Gathered();
  originsTell = true;
  readonly #seen = new Set<unknown>();

  items(items: readonly Item[]): void {
    if (this.#seen.has(items)) return;
    this.#seen.add(items);
    for (const item of items) {
      if (item.kind === "star") for (const entry of item.entries) this.#entry(entry);
      else if (!item.value.plain) this.computed.add(item.value);
    }
  }

  #entry(entry: Entry): void {
    if (entry.kind === "rows") return this.items(entry.items);
    if (entry.kind === "uniform") return this.computed.add(entry.value);
    if (isNothing(entry.everywhere) && entry.assigned.size === 0) return;
    this.originsTell = false;
    this.computed.add(wholeRow(entry));
  }
}

function sourcesOf({ columns = [], computed: all, assigned = [] }: StatementOutputs): number {
  return [...columns, ...assigned.map(({ value }) => value)].reduce((sum, { sources }) => sum + sources.length, all.sources.length);
}
