import { createRequire } from "node:module";
import type * as Cedar from "@cedar-policy/cedar-wasm/nodejs";

export type CedarModule = typeof Cedar;

/**
 * A module of its own each time: the package keeps one WebAssembly instance per module, and offers no other way to a new one.
 * The `require` is made anew as well, because it keeps every module that it ever loaded.
 */
function loadCedar(): CedarModule {
  const require = createRequire(import.meta.url);
  const path = require.resolve("@cedar-policy/cedar-wasm/nodejs");
  Reflect.deleteProperty(require.cache, path);
  try {
    return require(path) as CedarModule;
  } finally {
    Reflect.deleteProperty(require.cache, path);
  }
}

/**
 * Owns one WebAssembly instance of Cedar, from its first use until something is thrown out of it.
 *
 * C1. What throws discards the instance: a trap ("memory access out of bounds", stack overflow) leaves its memory in an
 *     unknown state, and an exception thrown across its frames never gives their stack back.
 * C2. The next use starts a new one (about 10 ms) and prepares it as the first was.
 * C3. Instances share nothing, so what breaks one policy version, or a check, does not touch another.
 */
export class CedarInstance {
  readonly #prepare: (cedar: CedarModule) => void;
  #cedar: CedarModule | undefined;

  constructor(prepare: (cedar: CedarModule) => void = () => {}) {
    this.#prepare = prepare;
  }

  use<T>(work: (cedar: CedarModule) => T): T {
    try {
      if (this.#cedar === undefined) {
        const cedar = loadCedar();
        this.#prepare(cedar);
        this.#cedar = cedar;
      }
      return work(this.#cedar);
    } catch (error) {
      this.#cedar = undefined;
      throw error;
    }
  }
}

export function requireSuccess(
  answer: { readonly type: "success" } | { readonly type: "failure"; readonly errors: readonly { readonly message: string }[] },
): void {
  if (answer.type === "failure") throw new Error(answer.errors.map(({ message }) => message).join("; "));
}
