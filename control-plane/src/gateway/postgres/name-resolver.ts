import type { Policies } from "../../application/policy-ports.ts";
import type { CatalogueClient } from "./catalogue-client.ts";
import type { Executable } from "./command-record.ts";
import type { SearchPath } from "./search-path.ts";
import type { NamesFromTarget } from "./names-from-target.ts";

export interface NameResolverDeps {
  readonly policies: Policies;
  readonly path: SearchPath;
  /** Of the resource. */
  readonly userSchemas: NamesFromTarget;
  readonly catalogueClient: CatalogueClient;
  /** The agent answers such questions. */
  readonly answers: boolean;
}

/** Says of one session's commands which relations their names may mean, before policy decides on them. */
export class NameResolver {
  readonly #deps: NameResolverDeps;

  constructor(deps: NameResolverDeps) {
    this.#deps = deps;
  }

  /** A promise only when the agent must be asked: where policy names schemas, and what the path holds is up to the role. */
  resolve(executables: readonly Executable[]): readonly Executable[] | Promise<readonly Executable[]> {
    const { policies, path, userSchemas, catalogueClient, answers } = this.#deps;
    const asks = answers && path.dependsOnUser(executables) && policies.current()?.namesSchemas === true;
    const schemas = asks ? userSchemas.get(catalogueClient.askUserSchemas) : undefined;
    return schemas instanceof Promise ? schemas.then((known) => path.resolve(executables, known)) : path.resolve(executables, schemas);
  }
}
