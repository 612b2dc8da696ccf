import { SallyportError } from "@sallyport/proto/errors";
import type { PolicyFile } from "../../domain/policy/policy.events.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import type { PublishedPolicy } from "../policy-in-force.ts";
import type { Clock } from "../ports.ts";
import type { PolicyCompiler } from "../policy-ports.ts";
import type { PolicyStanding } from "../../domain/authority.ts";
import { type Access, accessAsOf, type AccessFilter, principalsAsOf } from "./access-as-of.ts";
import { authorityAsOf, type OwnAccess } from "./authority-as-of.ts";
import { explain, type Explanation } from "./explain.ts";
import { cutAt, type Moment } from "./moment.ts";
import { PolicyVersions } from "./policy-versions.ts";
import { type AsOf, StateAsOf } from "./state-as-of.ts";

export interface AccessAsOf {
  readonly asOf: AsOf | undefined;
  /** Undefined: none was in force, and everything was refused. */
  readonly policyVersion: string | undefined;
  readonly access: readonly Access[];
  /** Of all resources together; nothing when one is asked about. */
  readonly own: readonly OwnAccess[];
}

export interface PolicyAsOf extends PublishedPolicy {
  readonly reason: string;
  readonly files: readonly PolicyFile[];
}

/** Questions about the past, answered by folding the ledger up to there (I8). Nothing is kept for them, and no session waits for them. */
export interface TimeTravel {
  state(moment: Moment): Promise<StateAsOf>;
  access(moment: Moment, filter: AccessFilter): Promise<AccessAsOf>;
  policy(moment: Moment): Promise<{ readonly asOf: AsOf | undefined; readonly policy: PolicyAsOf | undefined }>;
  /** Command 0 is the opening of the session. Fails with `session.not_found`. */
  explain(sessionId: string, commandId: number): Promise<Explanation>;
}

/** Each reads a good part of the log; more of them at once would only make each other, and sessions, slower. */
export const MAX_TRAVELS = 2;
/** Those that wait for their turn; whoever comes then is told to come again. */
export const MAX_WAITING_TRAVELS = 32;

export function createTimeTravel({
  ledger,
  clock,
  compiler,
}: {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly compiler: PolicyCompiler;
}): TimeTravel {
  const policies = new PolicyVersions(ledger, compiler);
  let travels = 0;
  const waiting: (() => void)[] = [];

  async function travel<T>(run: () => Promise<T>): Promise<T> {
    if (waiting.length >= MAX_WAITING_TRAVELS) throw new SallyportError("session.limit", "Many are asking about the past just now; try again in a moment.");
    if (travels === MAX_TRAVELS) await new Promise<void>((resolve) => waiting.push(resolve));
    else travels += 1;
    try {
      return await run();
    } finally {
      // Its place goes to whoever waits the longest.
      const next = waiting.shift();
      if (next === undefined) travels -= 1;
      else next();
    }
  }

  return {
    state: (moment) => travel(async () => StateAsOf.of(ledger, await cutAt(ledger, moment, clock.now()), "everything")),

    access: (moment, filter) =>
      travel(async () => {
        const state = await StateAsOf.of(ledger, await cutAt(ledger, moment, clock.now()), "access");
        const { published } = state.policy;
        const engine = published && policies.engine({ ...published, reason: "" });
        const standing: PolicyStanding = engine === undefined ? { kind: "none" } : { kind: "loaded", engine };
        const principals = principalsAsOf(state, filter);
        return {
          asOf: state.asOf,
          policyVersion: published?.version,
          access: engine === undefined ? [] : await accessAsOf(state, engine, principals, filter),
          own: filter.resource === undefined ? await authorityAsOf(standing, principals, state.moment) : [],
        };
      }),

    policy: (moment) =>
      travel(async () => {
        const cut = await cutAt(ledger, moment, clock.now());
        const { asOf, policy } = await StateAsOf.of(ledger, cut, "access");
        const { published } = policy;
        if (published === undefined) return { asOf, policy: undefined };
        const proposed = await policies.find(published.version, cut);
        return { asOf, policy: { ...published, reason: proposed?.reason ?? "" } };
      }),

    explain: (sessionId, commandId) => travel(() => explain({ ledger, policies }, sessionId, commandId)),
  };
}
