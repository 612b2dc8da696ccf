import { SallyportError } from "@sallyport/proto/errors";
import { upcast } from "../../domain/catalogue.ts";
import type { PolicyEngine } from "../../domain/decision.ts";
import { type PolicyEvent, type PolicyFile, policyStream } from "../../domain/policy/policy.events.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { LruMap } from "../../lru-map.ts";
import { policyVersion } from "../policy-version.ts";
import type { PolicyCompiler } from "../policy-ports.ts";
import { readStreamUntil, type Cut } from "./moment.ts";

export interface PolicyVersion {
  readonly version: string;
  readonly files: readonly PolicyFile[];
  readonly reason: string;
}

/** Compiled versions that are kept: a question is often followed by another about the same time. Each holds a Cedar instance of some MB. */
export const MAX_KEPT_ENGINES = 4;

/** Earlier policy versions, from the ledger, ready to be asked. */
export class PolicyVersions {
  readonly #ledger: Ledger;
  readonly #compiler: PolicyCompiler;
  readonly #engines = new LruMap<PolicyEngine>(MAX_KEPT_ENGINES);

  constructor(ledger: Ledger, compiler: PolicyCompiler) {
    this.#ledger = ledger;
    this.#compiler = compiler;
  }

  /** The last proposal of this version within the cut. */
  async find(version: string, cut: Cut): Promise<PolicyVersion | undefined> {
    let found: PolicyVersion | undefined;
    for await (const recorded of readStreamUntil(this.#ledger, cut, policyStream())) {
      const event = upcast(recorded) as PolicyEvent;
      if (event.type === "PolicyProposed" && event.data.version === version) found = event.data;
    }
    return found;
  }

  /** Fails with `ledger.corrupt` when the recorded text is not what the version's name was made of, `policy.invalid` when it does not compile. */
  engine({ version, files }: PolicyVersion): PolicyEngine {
    const known = this.#engines.get(version);
    if (known !== undefined) return known;
    const actual = policyVersion(files);
    if (actual !== version) {
      throw new SallyportError("ledger.corrupt", `The recorded text of policy ${version} is not that version's: it is ${actual}.`, { policy: version });
    }
    const engine = this.#compiler.compile(version, files);
    this.#engines.set(version, engine);
    return engine;
  }
}
