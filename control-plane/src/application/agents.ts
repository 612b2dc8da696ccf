import { hash, randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import * as agent from "../domain/agent/agent.decider.ts";
import { type AgentNameEvent, agentNameStream, agentStream } from "../domain/agent/agent.events.ts";
import { upcast } from "../domain/catalogue.ts";
import { requireName } from "../domain/names.ts";
import { eventId } from "../ledger/event-id.ts";
import type { ExpectedRevision } from "../ledger/ledger.ts";
import { load } from "./execute-command.ts";
import { newEvent } from "./new-event.ts";
import type { Agents, AgentView, CommandContext, Resources } from "./ports.ts";
import { hashSecret, newSecret } from "./secrets.ts";
import { agentContext, type UseCaseDeps } from "./use-case.ts";
import { spokenDuration } from "../domain/spoken-duration.ts";

interface Reservation {
  readonly agentId: string;
  readonly revision: ExpectedRevision;
}

/** A join token is typed within the hour; a day leaves room for an installation that waits for a change window. */
export const MAX_JOIN_TTL_SECONDS = 86_400;

/**
 * A name belongs to one agent at a time: the last event of its reservation stream says to which. The reservation is written
 * before the agent's own first event; whoever is killed in between leaves a name that the next attempt takes up.
 */
export function createAgents({ ledger, live, execute, clock, nodeId, resources }: UseCaseDeps & { readonly resources: Pick<Resources, "offer"> }): Agents {
  const run = (agentId: string, command: agent.AgentCommand, context: CommandContext, believed = live.agents.get(agentStream(agentId))) =>
    execute({ decider: agent, stream: agentStream(agentId), command, context, believed });

  async function reservationOf(name: string): Promise<Reservation | undefined> {
    for await (const recorded of ledger.readStream(agentNameStream(hashName(name)), { direction: "backwards", limit: 1 })) {
      const event = upcast(recorded);
      if (event.type === "AgentNameReserved") return { agentId: event.data.agentId, revision: recorded.revision };
    }
    return undefined;
  }

  return {
    async issueJoinSecret(name, ttlSeconds, context) {
      requireName("agent", name);
      if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_JOIN_TTL_SECONDS) {
        throw new SallyportError("input.invalid", `A join token lives between 1 s and ${spokenDuration(MAX_JOIN_TTL_SECONDS)}.`, { field: "ttlSeconds" });
      }
      const secret = newSecret();
      const at = clock.now();
      const expiresAt = new Date(at.getTime() + ttlSeconds * 1_000);
      const reserved = await reservationOf(name);
      const status = reserved === undefined ? undefined : (await load(ledger, agent, agentStream(reserved.agentId))).state.status;
      if (status === "enrolled") throw nameTaken(name);
      // Whoever was revoked comes back as another agent; whoever never enrolled is still the same.
      const agentId = reserved === undefined || status === "revoked" ? randomUUID() : reserved.agentId;
      if (agentId !== reserved?.agentId) {
        const nameHash = hashName(name);
        const event: AgentNameEvent = { type: "AgentNameReserved", data: { nameHash, agentId } };
        try {
          await ledger.append(agentNameStream(nameHash), [newEvent(eventId(randomUUID(), 0), event, context, at.toISOString())], reserved?.revision ?? "none");
        } catch (error) {
          throw error instanceof SallyportError && error.code === "stream.conflict" ? nameTaken(name) : error;
        }
      }
      await run(agentId, { type: "IssueJoinToken", agentId, name, tokenHash: hashSecret(secret), expiresAt: expiresAt.toISOString() }, context);
      return { agentId, secret, expiresAt };
    },

    async enrol(name, secret) {
      const reserved = await reservationOf(name);
      if (reserved === undefined) throw new SallyportError("join.invalid", "The join token is unknown, used up or expired. Ask for a new one.");
      await run(reserved.agentId, { type: "Enrol", name, tokenHash: hashSecret(secret) }, agentContext(reserved.agentId));
      return reserved.agentId;
    },

    async certificateIssued(agentId, { serial, fingerprint, notBefore, notAfter }) {
      const certificate = { serial, fingerprint, notBefore: notBefore.toISOString(), notAfter: notAfter.toISOString() };
      await run(agentId, { type: "RecordCertificate", certificate }, agentContext(agentId));
    },

    requireEnrolled(agentId) {
      live.requireReadable(agentStream(agentId));
      const state = live.agents.get(agentStream(agentId))?.state ?? agent.initialState;
      agent.requireEnrolled(state);
      return viewOf(state);
    },

    async connected(agentId, { version, address, certificateFingerprint, resources: offered }) {
      await run(agentId, { type: "Connect", link: { nodeId, version, address, certificateFingerprint, resources: offered } }, agentContext(agentId));
    },

    async disconnected(agentId, cause) {
      await run(agentId, { type: "Disconnect", cause }, agentContext(agentId));
    },

    async revoke(agentId, reason, context) {
      await run(agentId, { type: "Revoke", reason }, context);
      await resources.offer(agentId, []);
    },

    list: () => Array.from(live.agents.states(), viewOf),
  };
}

const nameTaken = (name: string): SallyportError =>
  new SallyportError("agent.name_taken", `An agent named ${name} is already enrolled, or just being invited.`, { name });

/** Hashed, so that no name given by people stands in a stream's name. */
const hashName = (name: string): string => hash("sha256", name).slice(0, 32);

const viewOf = ({ agentId, name, status, connected, version, certificateNotAfter }: agent.AgentState): AgentView => ({
  id: agentId,
  name,
  enrolled: status === "enrolled",
  revoked: status === "revoked",
  connected,
  version,
  certificateExpiresAt: certificateNotAfter === "" ? undefined : new Date(certificateNotAfter),
});
