import { approvalStream } from "../domain/approval/approval.events.ts";
import * as agent from "../domain/agent/agent.decider.ts";
import { agentStream } from "../domain/agent/agent.events.ts";
import * as approval from "../domain/approval/approval.decider.ts";
import { isNewer, isOfLaterRelease, upcast } from "../domain/catalogue.ts";
import * as node from "../domain/node/node.decider.ts";
import { nodeStream } from "../domain/node/node.events.ts";
import * as session from "../domain/session/session.decider.ts";
import { type SessionEndCause, sessionStream } from "../domain/session/session.events.ts";
import { isFinal } from "./approval-view.ts";
import type { ApprovalView } from "./approval-ports.ts";
import { systemContext, type UseCaseDeps } from "./use-case.ts";

export interface Recovered {
  readonly sessions: number;
  readonly approvals: number;
  readonly agents: number;
}

export interface Recovery {
  /** At start, before anything is served: closes what this node's run before left open, then records NodeStarted. Safe to repeat. */
  run(version: string): Promise<Recovered>;
  /** Ends in the record a session that has no process any more. Ending one that has ended changes nothing. */
  endSession(sessionId: string, cause: SessionEndCause, message: string): Promise<void>;
  stopped(): Promise<void>;
}

/** Appends at once: enough to fill a group commit, few enough to hold little. */
const CONCURRENCY = 16;

export function createRecovery({ ledger, live, execute, log, nodeId }: UseCaseDeps): Recovery {
  const context = systemContext(nodeId);

  const nodeCommand = (command: node.NodeCommand) =>
    execute({ decider: node, stream: nodeStream(nodeId), command, context, believed: live.nodes.get(nodeStream(nodeId)) });

  async function endSession(sessionId: string, cause: SessionEndCause, message: string): Promise<void> {
    const data = { sessionId, cause, message, bytesToTarget: 0, bytesToClient: 0 };
    await execute({ decider: session, stream: sessionStream(sessionId), command: { type: "End", data }, context });
  }

  /** A later release wrote into the stream: it is left as it is, for a process of that release. */
  async function unlessNewer(stream: string, close: () => Promise<void>): Promise<void> {
    try {
      await close();
    } catch (error) {
      if (!isNewer(error)) throw error;
      log.warn({ code: error.code, ...error.details, stream, why: error.message }, "what the run before left open stays open in the record");
    }
  }

  /** Where this node's last run began; every session that it left open was requested after that. */
  async function lastStart(): Promise<bigint | undefined> {
    for await (const recorded of ledger.readStream(nodeStream(nodeId), { direction: "backwards" })) {
      if (recorded.type === "NodeStarted") return recorded.position;
    }
    return undefined;
  }

  async function leftOpen(): Promise<ReadonlySet<string>> {
    const from = await lastStart();
    const open = new Set<string>();
    for await (const recorded of ledger.readAll({ ...(from === undefined ? {} : { from }), filter: { by: "type", prefixes: ["Session"] } })) {
      // Whichever release wrote it, the session is not this one's to end.
      if (isOfLaterRelease(recorded)) {
        open.delete(recorded.stream.slice(sessionStream("").length));
        continue;
      }
      const event = upcast(recorded);
      if (event.type === "SessionRequested" && event.data.nodeId === nodeId) open.add(event.data.sessionId);
      if (event.type === "SessionRefused" || event.type === "SessionEnded") open.delete(event.data.sessionId);
    }
    return open;
  }

  async function wasRequestedHere(sessionId: string): Promise<boolean> {
    for await (const recorded of ledger.readStream(sessionStream(sessionId), { limit: 1 })) {
      const event = upcast(recorded);
      return event.type === "SessionRequested" && event.data.nodeId === nodeId;
    }
    return false;
  }

  /** No held command outlives the process that holds its bytes. */
  async function withdraw({ id, sessionId }: ApprovalView): Promise<boolean> {
    if (!(await wasRequestedHere(sessionId))) return false;
    const command = { type: "Withdraw", cause: "control_plane_lost" } as const;
    const { events } = await execute({ decider: approval, stream: approvalStream(id), command, context });
    return events.length > 0;
  }

  return {
    endSession,

    async run(version) {
      const sessions = await leftOpen();
      await inTurns(sessions, (sessionId) =>
        unlessNewer(sessionStream(sessionId), () => endSession(sessionId, "control_plane_lost", "The control plane stopped without ending the session.")),
      );
      let approvals = 0;
      await inTurns(
        // What was given for a while is for its requester, whatever became of the session that asked.
        live.approvals.all().filter(({ state, until }) => !isFinal(state) && until === undefined),
        (view) =>
          unlessNewer(approvalStream(view.id), async () => {
            if (await withdraw(view)) approvals += 1;
          }),
      );
      const agents = Array.from(live.agents.states()).filter((each) => each.connected && each.nodeId === nodeId);
      await inTurns(agents, async ({ agentId }) => {
        const stream = agentStream(agentId);
        await execute({ decider: agent, stream, command: { type: "Disconnect", cause: "control_plane_lost" }, context, believed: live.agents.get(stream) });
      });
      await nodeCommand({ type: "Start", nodeId, version });
      const recovered = { sessions: sessions.size, approvals, agents: agents.length };
      log.info(recovered, "recovered from the run before");
      return recovered;
    },

    async stopped() {
      await nodeCommand({ type: "Stop", nodeId });
    },
  };
}

async function inTurns<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items].values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
