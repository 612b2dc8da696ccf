import { columnsToTrace, type ColumnOrigins, OF_ANYTHING, OF_ITSELF, withOrigins } from "../../domain/column-origins.ts";
import type { CommandFacts } from "../../domain/facts.ts";

/** Others may change views without our knowledge; what was asked counts for so long. */
export const ORIGINS_FRESH_MS = 30_000;
/** From this age on it is asked again while it still counts, so that nobody waits for what is in constant use. */
export const ORIGINS_REFRESH_MS = 15_000;
/** Columns that are remembered of one resource, about 5 MB. Beyond, all is forgotten, and asked when it is needed. */
export const MAX_KNOWN_COLUMNS = 20_000;
/** Definitions may change while the agent is asked; a command that meets so many changes in a row may look at anything. */
const MAX_ATTEMPTS = 3;

/** What the agent said of one column. */
export type TracedOrigins = ColumnOrigins | "absent";
/** Of each column, in order; undefined when it could not be told. Never rejects. */
export type AskOrigins = (columns: readonly string[]) => Promise<readonly TracedOrigins[] | undefined>;

interface Known {
  readonly origins: ColumnOrigins;
  readonly at: number;
}

interface Remembered {
  readonly facts: CommandFacts;
  readonly generation: number;
  /** When the oldest of what it rests on was asked. */
  readonly at: number;
}

/**
 * What the columns of one resource's relations are made of, as its agents say; shared by its sessions.
 *
 * O1. What is answered was true at most `ORIGINS_FRESH_MS` ago, and after the last command that may have changed definitions.
 * O2. What is known is answered without a promise: a command that was seen before waits for nothing.
 * O3. What could not be told may be made of anything (I3), and is asked again for the next command.
 * O4. A relation that is not there has no columns to probe; while somebody changes definitions it may be there any moment, and is anything.
 */
export class ColumnCatalogue {
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();
  /** Made of what is in `#known`: facts are the same object for the same text. */
  readonly #remembered = new WeakMap<CommandFacts, Remembered>();
  /** Sessions whose commands may change definitions, and have not ended yet. */
  readonly #changing = new Set<object>();
  readonly #refreshing = new Set<string>();
  #generation = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The facts with the origins of their columns; a promise when the agent must be asked. */
  trace(facts: CommandFacts, ask: AskOrigins): CommandFacts | Promise<CommandFacts> {
    const known = this.#remembered.get(facts);
    if (known?.generation === this.#generation) {
      const age = this.#now() - known.at;
      if (age <= ORIGINS_REFRESH_MS) return known.facts;
      if (age <= ORIGINS_FRESH_MS) {
        this.#refresh(facts, ask);
        return known.facts;
      }
    }
    const columns = columnsToTrace(facts);
    if (columns.length === 0) return facts;
    return columns.every((name) => this.#isFresh(name)) ? this.#remember(facts, columns) : this.#learn(facts, columns, ask);
  }

  /** A command that may change definitions is about to run. */
  changes(session: object): void {
    this.#changing.add(session);
    this.#forget();
  }

  /** What it changed, others can see by now. */
  settled(session: object): void {
    if (this.#changing.delete(session)) this.#forget();
  }

  async #learn(facts: CommandFacts, columns: readonly string[], ask: AskOrigins): Promise<CommandFacts> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (this.#known.size + columns.length > MAX_KNOWN_COLUMNS) this.#known.clear();
      const generation = this.#generation;
      const told = await this.#ask(
        columns.filter((name) => !this.#isFresh(name)),
        ask,
      );
      if (generation !== this.#generation) continue;
      if (columns.every((name) => this.#isFresh(name))) return this.#remember(facts, columns);
      return withOrigins(facts, (name) => {
        if (told.get(name) === "absent") return this.#changing.size > 0 ? OF_ANYTHING : OF_ITSELF;
        return this.#originsOf(name, columns);
      });
    }
    return withOrigins(facts, (name) => (columns.includes(name) ? OF_ANYTHING : OF_ITSELF));
  }

  async #ask(columns: readonly string[], ask: AskOrigins): Promise<ReadonlyMap<string, TracedOrigins>> {
    const generation = this.#generation;
    const at = this.#now();
    const answer = (await ask(columns)) ?? [];
    const told = new Map<string, TracedOrigins>();
    for (const [index, name] of columns.entries()) {
      const origins = answer[index];
      if (origins === undefined) continue;
      told.set(name, origins);
      if (generation !== this.#generation) continue;
      // One that is not there may be made by somebody whom we do not see.
      if (origins === "absent") this.#known.delete(name);
      else this.#known.set(name, { origins, at });
    }
    return told;
  }

  #refresh(facts: CommandFacts, ask: AskOrigins): void {
    const old = columnsToTrace(facts).filter((name) => this.#ageOf(name) > ORIGINS_REFRESH_MS);
    // Others have asked for all of it meanwhile: the next command finds it.
    if (old.length === 0) this.#remembered.delete(facts);
    const due = old.filter((name) => !this.#refreshing.has(name));
    if (due.length === 0) return;
    for (const name of due) this.#refreshing.add(name);
    void this.#ask(due, ask).then(() => {
      for (const name of due) this.#refreshing.delete(name);
    });
  }

  #remember(facts: CommandFacts, columns: readonly string[]): CommandFacts {
    const traced = withOrigins(facts, (name) => this.#originsOf(name, columns));
    const at = Math.min(...columns.map((name) => this.#known.get(name)?.at ?? 0));
    this.#remembered.set(facts, { facts: traced, generation: this.#generation, at });
    return traced;
  }

  /** `asked`: all others need no asking. */
  #originsOf(name: string, asked: readonly string[]): ColumnOrigins {
    const known = this.#isFresh(name) ? this.#known.get(name) : undefined;
    return known?.origins ?? (asked.includes(name) ? OF_ANYTHING : OF_ITSELF);
  }

  #ageOf(name: string): number {
    return this.#now() - (this.#known.get(name)?.at ?? -Infinity);
  }

  #isFresh(name: string): boolean {
    return this.#ageOf(name) <= ORIGINS_FRESH_MS;
  }

  #forget(): void {
    this.#generation++;
    this.#known.clear();
  }
}
