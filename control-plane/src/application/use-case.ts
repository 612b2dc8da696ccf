import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { Principal } from "../domain/decision.ts";
import type { DecidedBy } from "../domain/vote.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Execute } from "./execute-command.ts";
import type { LiveState } from "./live-state.ts";
import type { Clock, CommandContext } from "./ports.ts";

/** What every use case works with. */
export interface UseCaseDeps {
  readonly ledger: Ledger;
  readonly live: LiveState;
  readonly execute: Execute;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeId: string;
}

/** For what the control plane does by itself. */
export const systemContext = (nodeId: string, correlationId: string = randomUUID()): CommandContext => ({
  actor: { kind: "system", id: nodeId },
  correlationId,
});

export const agentContext = (agentId: string): CommandContext => ({ actor: { kind: "agent", id: agentId }, correlationId: randomUUID() });

/** Whoever decides, as deciders know them: a delegate counts as whom they act for, too. */
export const decidedBy = ({ id, kind }: Principal, { actor }: CommandContext): DecidedBy => ({
  id,
  kind,
  ...(actor.onBehalfOf === undefined ? {} : { onBehalfOf: actor.onBehalfOf }),
});
