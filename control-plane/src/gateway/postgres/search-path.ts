import { columnName, type CommandFacts, nameParts } from "../../domain/facts.ts";
import type { Executable } from "./command-record.ts";
import type { StatementAnalysis } from "./facts/analysis.ts";
import { ANY_SCHEMA, schemasIn, USER_SCHEMA } from "./facts/search-path.ts";

/** A name that may be in more schemas than this is left as the statement writes it: each is a name in the facts. */
export const MAX_PATH_SCHEMAS = 16;
/** Schemas that are remembered of one session's paths; beyond, it may have been any. */
export const MAX_SEEN_SCHEMAS = 64;

/** What names are resolved in: every statement that finds relations by the path alone, and makes none. */
const resolvable: ReadonlySet<string> = new Set("SELECT VALUES INSERT UPDATE DELETE MERGE COPY EXPLAIN DECLARE LOCK TRUNCATE PREPARE EXECUTE".split(" "));

/** Names of the system's own relations begin so, and are found first. */
const SYSTEM = /^pg_/;

/**
 * Which schemas an unqualified name of one session may mean, as its target says and its commands show.
 *
 * H1. The path is certain only where the server reports it (PostgreSQL from 18 on), and only for the first command after it did: what ran
 *     since may have changed it, by functions too. A command that runs what was planned before (FETCH, a portal of another group) is not
 *     judged by the path of now.
 * H2. Certain means: the relation is in one of these schemas. Which of them has it is not asked: a schema may be made, or be closed to the
 *     role, at any time. So the facts name each.
 * H3. Otherwise the name stays, and stands for that relation in any schema; beside it are all schemas that the session was seen to put on
 *     its path, and `*` where it may have been another. It is never taken for fewer than it may mean.
 * H4. Who has made relations of their own (pg_temp is searched first) has no certain names any more.
 */
export class SearchPath {
  /** As reported last, with `$user` in it; undefined: the server does not say, or it cannot be read. */
  #reported: readonly string[] | undefined;
  readonly #seen = new Set<string>();
  #reports = false;
  #ranSinceReady = false;
  /** What ran since may have put any schema on the path. */
  #anySinceReady = false;
  #makesTemporary = false;

  /** `initial`: what the client asked for when it connected. */
  constructor(initial: string | undefined) {
    if (initial !== undefined) this.#see(schemasIn(initial) ?? [ANY_SCHEMA]);
  }

  /** `first`: the target's own, before any command. */
  reported(value: string, first: boolean): void {
    this.#reports = true;
    this.#reported = schemasIn(value);
    if (!first) this.#see(this.#reported ?? [ANY_SCHEMA]);
  }

  /** `undefined`: nothing is known of what ran. */
  ran(analysis: StatementAnalysis | undefined): void {
    if (analysis === undefined || analysis.facts.riskClass === "unclassified") {
      // Where the server reports the path, it says so with the end of this.
      if (this.#reports) this.#anySinceReady = true;
      else this.#see([ANY_SCHEMA]);
      this.#makesTemporary = true;
    } else {
      this.#see(mayPut(analysis));
      if (analysis.makesTemporary) this.#makesTemporary = true;
    }
    if (analysis === undefined || !beginsOnly(analysis.facts)) this.#ranSinceReady = true;
  }

  ready(): void {
    this.#ranSinceReady = false;
    this.#anySinceReady = false;
  }

  /** What `$user` means would tell what their names mean. */
  dependsOnUser(executables: readonly Executable[]): boolean {
    return this.#certain()?.includes(USER_SCHEMA) === true && executables.some(({ facts }) => hasUnqualified(facts));
  }

  /** The commands of one unit, with what their names may mean. `userSchemas`: what `$user` may mean, undefined where that cannot be told. */
  resolve(executables: readonly Executable[], userSchemas: readonly string[] | undefined): readonly Executable[] {
    const path = withUserSchemas(this.#certain(), userSchemas);
    const [only, second] = executables;
    if (path === undefined && this.#seen.size === 0 && !this.#anySinceReady && second === undefined && (only === undefined || mayPut(only).length === 0))
      return executables;
    const seen = new Set(this.#seen);
    if (this.#anySinceReady) seen.add(ANY_SCHEMA);
    let first = true;
    const resolved = executables.map((one) => {
      for (const schema of mayPut(one)) if (schema !== USER_SCHEMA) seen.add(schema);
      const certain = first && path !== undefined && isResolvable(one);
      const after = certain ? qualified(one.facts, path, false) : qualified(one.facts, [...seen], true);
      first &&= beginsOnly(one.facts);
      if (one.facts.riskClass === "unclassified") seen.add(ANY_SCHEMA);
      return after;
    });
    if (executables.every(({ facts }, index) => facts === resolved[index])) return executables;
    return executables.map((one, index) => ({ ...one, facts: resolved[index] ?? one.facts, ofText: one.ofText ?? one.facts }));
  }

  #certain(): readonly string[] | undefined {
    return this.#ranSinceReady || this.#makesTemporary || this.#reported?.some((schema) => schema.startsWith("pg_temp")) === true ? undefined : this.#reported;
  }

  #see(schemas: readonly string[]): void {
    for (const schema of schemas) this.#seen.add(this.#seen.size < MAX_SEEN_SCHEMAS ? schema : ANY_SCHEMA);
    // What it means was never somebody's choice.
    this.#seen.delete(USER_SCHEMA);
    // From now on a name without a schema may be one that was made there.
    if (schemas.some((schema) => schema.startsWith("pg_temp"))) this.#makesTemporary = true;
  }
}

/** Under another role `$user` is another schema. */
const mayPut = ({ facts, searchPath = [] }: Pick<Executable, "facts" | "searchPath">): readonly string[] =>
  facts.hazards.includes("set_role") ? [...searchPath, ANY_SCHEMA] : searchPath;

const beginsOnly = ({ verbs }: CommandFacts): boolean => verbs.length > 0 && verbs.every((verb) => verb === "BEGIN");

function isResolvable({ facts, boundBefore, makesTemporary }: Executable): boolean {
  const { statementCount, riskClass, verbs } = facts;
  return statementCount === 1 && riskClass !== "unclassified" && boundBefore !== true && makesTemporary !== true && verbs.every((verb) => resolvable.has(verb));
}

function withUserSchemas(path: readonly string[] | undefined, userSchemas: readonly string[] | undefined): readonly string[] | undefined {
  if (path === undefined) return undefined;
  if (path.includes(USER_SCHEMA) && userSchemas === undefined) return undefined;
  const schemas = new Set(path.flatMap((schema) => (schema === USER_SCHEMA ? (userSchemas ?? []) : [schema])));
  return schemas.size > MAX_PATH_SCHEMAS ? undefined : [...schemas];
}

/** One object for the same facts and schemas: what is the same is decided from memory, which goes by identity. Few sessions have a path of their own. */
const known = new WeakMap<CommandFacts, { readonly key: string; readonly facts: CommandFacts }>();

/** `orders` as `sales.orders`, for each of the schemas; `keeping` it beside them. */
function qualified(facts: CommandFacts, schemas: readonly string[], keeping: boolean): CommandFacts {
  if (keeping && schemas.length === 0) return facts;
  if (!hasUnqualified(facts)) return facts;
  const key = JSON.stringify([keeping, schemas]);
  const before = known.get(facts);
  if (before?.key === key) return before.facts;
  const spelt = (names: readonly string[]): readonly string[] => [
    ...new Set(names.flatMap((name) => (isUnqualified(name) ? inEach(name, schemas, keeping) : [name]))),
  ];
  const after = { ...facts, relationsRead: spelt(facts.relationsRead), relationsWritten: spelt(facts.relationsWritten) };
  known.set(facts, { key, facts: after });
  return after;
}

const hasUnqualified = ({ relationsRead, relationsWritten }: CommandFacts): boolean =>
  relationsRead.some(isUnqualified) || relationsWritten.some(isUnqualified);

const isUnqualified = (name: string): boolean => nameParts(name).length === 1 && !SYSTEM.test(name);

function inEach(name: string, schemas: readonly string[], keeping: boolean): readonly string[] {
  const own = nameParts(name)[0] ?? name;
  const names = schemas.map((schema) => columnName(schema, own));
  // On an empty path it means nothing: the statement fails, and facts do not say less than it does.
  return keeping || names.length === 0 ? [name, ...names] : names;
}
