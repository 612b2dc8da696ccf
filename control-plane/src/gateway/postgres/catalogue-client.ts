import type { ColumnSource, Trace, Traced, TracedColumn } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { ControlBody } from "@sallyport/proto/tunnel/channel";
import { columnName, nameParts, unknownColumns } from "../../domain/facts.ts";
import type { TracedOrigins } from "./column-catalogue.ts";
import type { AskNames } from "./names-from-target.ts";

/** An agent gives up its own lookup after as long; the client of the command waits meanwhile. */
export const TRACE_TIMEOUT_MS = 10_000;
/** Columns, and tables, of one question: with names of 63 bytes they fit into one frame of the tunnel. A statement with more may look at anything. */
export const MAX_ASKED_NAMES = 400;
/** Longer names are no names of PostgreSQL's. */
const MAX_NAME_BYTES = 63;

type Answer = Traced | undefined | "ended";

/**
 * Asks the agent of one session what only the catalogue of its target tells: of what columns are made, which schemas and functions there are.
 *
 * A1. Every question is answered once: by the agent, by its time running out (undefined), or by the session's end. The latter two tell nothing.
 */
export class CatalogueClient {
  readonly #post: (body: ControlBody) => void;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #over = false;

  constructor(post: (body: ControlBody) => void) {
    this.#post = post;
  }

  async ask(columns: readonly string[], maskedTables: readonly string[]): Promise<readonly TracedOrigins[] | undefined> {
    const sources = columns.map(sourceOf);
    const asked = sources.filter((source) => source !== undefined);
    if (this.#over || asked.length > MAX_ASKED_NAMES || asked.length < sources.length) return undefined;
    const tables = maskedTables.filter((table) => Buffer.byteLength(table) <= MAX_NAME_BYTES);
    for (; tables.length > MAX_ASKED_NAMES;) this.#post({ $case: "trace", value: { id: 0, columns: [], maskedTables: tables.splice(0, MAX_ASKED_NAMES) } });
    const answer = await this.#answer({ columns: asked, maskedTables: tables });
    return typeof answer === "object" && answer.columns.length === columns.length ? answer.columns.map(originsOf) : undefined;
  }

  /** What `$user` in a search path may mean. */
  readonly askUserSchemas: AskNames = async () => {
    const answer = await this.#answer({ columns: [], maskedTables: [], userSchemas: true });
    return typeof answer === "object" ? answer.userSchemas?.names : answer;
  };

  /** Which functions of the database's own `alias.name` may call. */
  readonly askRowFunctions: AskNames = async () => {
    const answer = await this.#answer({ columns: [], maskedTables: [], rowFunctions: true });
    return typeof answer === "object" ? answer.rowFunctions?.names : answer;
  };

  answered(traced: Traced): void {
    this.#waiting.get(traced.id)?.(traced);
  }

  async #answer(question: Omit<Trace, "id">): Promise<Answer> {
    if (this.#over) return "ended";
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, resolve);
    const timer = setTimeout(() => resolve(undefined), TRACE_TIMEOUT_MS);
    this.#post({ $case: "trace", value: { id, ...question } });
    const answer = await promise;
    clearTimeout(timer);
    this.#waiting.delete(id);
    return answer;
  }

  /** The session is over. */
  end(): void {
    this.#over = true;
    for (const resolve of this.#waiting.values()) resolve("ended");
  }
}

function sourceOf(name: string): ColumnSource | undefined {
  const [table = "", column = ""] = nameParts(name);
  return [table, column].every((part) => part !== "" && Buffer.byteLength(part) <= MAX_NAME_BYTES) ? { table, column } : undefined;
}

function originsOf({ shows, madeOf, opaque, absent }: TracedColumn): TracedOrigins {
  if (absent) return "absent";
  const names = (sources: readonly ColumnSource[]): string[] => sources.map(({ table, column }) => columnName(table, column));
  return { shows: names(shows), madeOf: opaque ? [...names(madeOf), ...unknownColumns] : names(madeOf) };
}
