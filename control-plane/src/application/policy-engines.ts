import type { PolicyEngine } from "../domain/decision.ts";
import type { PolicyInForce, PublishedPolicy } from "./policy-in-force.ts";
import type { PolicyCompiler } from "./policy-ports.ts";

/** The version in force does not load at this node. */
export interface PolicyLoadFailure {
  readonly version: string;
  /** The version that decides here in its place; empty for none, and then everything is refused. */
  readonly keeps: string;
  readonly cause: unknown;
}

interface Loaded {
  readonly version: string;
  readonly engine: PolicyEngine | undefined;
  readonly failure: PolicyLoadFailure | undefined;
}

/**
 * The engine that decides at this node.
 *
 * N1. It is the one of the version in force; where that does not load, the last one before that does, and `failure` says so.
 * N2. Each version is compiled once, whether or not that succeeds: a failure is not repeated for each command.
 */
export class PolicyEngines {
  readonly #compiler: PolicyCompiler;
  readonly #failed: (failure: PolicyLoadFailure) => void;
  #loaded: Loaded | undefined;
  /** The last one that loaded. */
  #good: PolicyEngine | undefined;

  constructor(compiler: PolicyCompiler, failed: (failure: PolicyLoadFailure) => void) {
    this.#compiler = compiler;
    this.#failed = failed;
  }

  /** Of the last version that was asked for. */
  get failure(): PolicyLoadFailure | undefined {
    return this.#loaded?.failure;
  }

  inForce({ published, earlier }: Pick<PolicyInForce, "published" | "earlier">): PolicyEngine | undefined {
    if (published === undefined) return undefined;
    if (this.#loaded?.version === published.version) return this.#loaded.engine;
    const { version } = published;
    try {
      this.#keep(this.#compiler.compile(version, published.files));
    } catch (cause) {
      const engine = this.#good ?? this.#lastGood(earlier);
      const failure = { version, keeps: engine?.version ?? "", cause };
      this.#loaded = { version, engine, failure };
      this.#failed(failure);
    }
    return this.#loaded?.engine;
  }

  /** Compiled before it was published, so that no command waits for it. */
  prepared(engine: PolicyEngine): void {
    this.#keep(engine);
  }

  #keep(engine: PolicyEngine): void {
    this.#good = engine;
    this.#loaded = { version: engine.version, engine, failure: undefined };
  }

  #lastGood(earlier: readonly PublishedPolicy[]): PolicyEngine | undefined {
    for (const { version, files } of earlier) {
      try {
        return this.#compiler.compile(version, files);
      } catch {
        continue; // the failure that counts is the one of the version in force
      }
    }
    return undefined;
  }
}
