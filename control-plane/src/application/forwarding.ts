import * as forwarding from "../domain/forwarding/forwarding.decider.ts";
import { forwardingStream } from "../domain/forwarding/forwarding.events.ts";
import type { Forwarding } from "./ports.ts";
import { agentContext, type UseCaseDeps } from "./use-case.ts";

/** The agents' own account of what they forwarded. */
export const createForwarding = ({ execute }: Pick<UseCaseDeps, "execute">): Forwarding => ({
  async attest(statement) {
    const { agentId, sessionId, sequence } = statement;
    await execute({
      decider: forwarding,
      stream: forwardingStream(sessionId),
      command: { type: "Attest", statement },
      context: agentContext(agentId),
      commandId: `forwarding:${sessionId}:${sequence}`,
    });
  },
});
