import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import type { Principal } from "../domain/decision.ts";
import * as delegation from "../domain/delegation/delegation.decider.ts";
import { delegationStream } from "../domain/delegation/delegation.events.ts";
import { activePrincipal } from "../domain/identity/active-principal.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { type DelegationView, viewAt } from "./delegation-view.ts";
import type { CommandContext } from "./ports.ts";
import { decidedBy, systemContext, type UseCaseDeps } from "./use-case.ts";

export interface AskedDelegation {
  readonly to: string;
  /** At once when absent. */
  readonly startsAt?: Date | undefined;
  readonly seconds: number;
  readonly reason: string;
}

/** Letting somebody decide in one's place, for a while. Views have their state by the clock. */
export interface Delegations {
  /** Fails with `approval.machine`, `input.invalid`, `auth.forbidden`, `session.limit`. */
  give(asked: AskedDelegation, by: Principal, context: CommandContext): Promise<DelegationView>;
  /** Whether they may is looked at before. Fails with `approval.not_found`, `approval.already_decided`. */
  end(delegationId: string, by: Principal, reason: string, context: CommandContext): Promise<DelegationView>;
  /** Records that its time is up, if it is and nothing else came first. */
  expire(delegationId: string): Promise<void>;
  find(delegationId: string): DelegationView | undefined;
  list(): readonly DelegationView[];
}

/** From one person, and from different people to one, at a time, those to come among them: policy is asked about each of them when they decide. */
export const MAX_DELEGATIONS_OF_ONE = 20;

export function createDelegations({ live, execute, clock, nodeId }: UseCaseDeps): Delegations {
  const shown = (view: DelegationView): DelegationView => viewAt(view, clock.now());

  async function run(delegationId: string, command: delegation.DelegationCommand, context: CommandContext): Promise<DelegationView> {
    await execute({ decider: delegation, stream: delegationStream(delegationId), command, context });
    const view = live.delegations.get(delegationId);
    if (view === undefined) throw new SallyportError("approval.not_found", "There is no such delegation.");
    return shown(view);
  }

  return {
    async give({ to, startsAt, seconds, reason }, by, context) {
      const open = live.delegations.all().filter(({ state }) => state === "open");
      // So that one person's many do not stand in another's way.
      const others = new Set(open.flatMap(({ from, to: delegate }) => (delegate === to && from !== by.id ? [from] : [])));
      if (open.filter(({ from }) => from === by.id).length >= MAX_DELEGATIONS_OF_ONE || others.size >= MAX_DELEGATIONS_OF_ONE)
        throw new SallyportError(
          "session.limit",
          `One person gives ${MAX_DELEGATIONS_OF_ONE} delegations at a time, and takes the place of as many; end one first.`,
        );
      const person = activePrincipal(live.identities.get(identityStream(to))?.state);
      const delegationId = randomUUID();
      const asked = { delegationId, by: decidedBy(by, context), to: person, startsAt, seconds, reason };
      return run(delegationId, { type: "Give", ...asked }, context);
    },
    end: (delegationId, by, reason, context) => run(delegationId, { type: "End", by: by.id, reason }, context),
    async expire(delegationId) {
      await run(delegationId, { type: "Expire" }, systemContext(nodeId));
    },
    find(delegationId) {
      const view = live.delegations.get(delegationId);
      return view && shown(view);
    },
    list: () => live.delegations.all().map(shown),
  };
}
