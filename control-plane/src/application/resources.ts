import { SallyportError } from "@sallyport/proto/errors";
import { agentStream } from "../domain/agent/agent.events.ts";
import type { ResourceRef } from "../domain/decision.ts";
import * as resource from "../domain/resource/resource.decider.ts";
import { resourceStream } from "../domain/resource/resource.events.ts";
import type { RefusedResource, Resources, ResourceView } from "./ports.ts";
import { agentContext, type UseCaseDeps } from "./use-case.ts";

/** What one agent may offer. */
export const MAX_RESOURCES_PER_AGENT = 1_000;

export function createResources({ live, execute }: UseCaseDeps): Resources {
  const run = (agentId: string, name: string, command: resource.ResourceCommand) =>
    execute({ decider: resource, stream: resourceStream(name), command, context: agentContext(agentId), believed: live.resources.get(resourceStream(name)) });

  const ownerGone = (name: string): boolean => {
    const owner = live.resources.get(resourceStream(name))?.state.agentId;
    return owner !== undefined && live.agents.get(agentStream(owner))?.state.status === "revoked";
  };

  async function offerOne(agentId: string, offered: ResourceRef, seen: ReadonlySet<string>): Promise<RefusedResource | undefined> {
    const { name } = offered;
    if (seen.has(name)) return { name, code: "input.invalid", message: "The agent offers this name twice." };
    if (seen.size >= MAX_RESOURCES_PER_AGENT)
      return { name, code: "input.invalid", message: `An agent offers at most ${String(MAX_RESOURCES_PER_AGENT)} resources.` };
    try {
      await run(agentId, name, { type: "Offer", resource: offered, agentId, ownerGone: ownerGone(name) });
      return undefined;
    } catch (error) {
      if (error instanceof SallyportError && (error.code === "resource.conflict" || error.code === "input.invalid" || error.code === "ledger.newer"))
        return { name, code: error.code, message: error.message };
      throw error;
    }
  }

  const registered = (): ResourceView[] =>
    Array.from(live.resources.states())
      .filter(({ status }) => status === "registered")
      .map(viewOf);

  return {
    async offer(agentId, offered) {
      const refused: RefusedResource[] = [];
      const seen = new Set<string>();
      for (const each of offered) {
        const refusal = await offerOne(agentId, each, seen);
        if (refusal !== undefined) refused.push(refusal);
        seen.add(each.name);
      }
      for (const { name, agentId: owner } of registered()) if (owner === agentId && !seen.has(name)) await run(agentId, name, { type: "Retire", agentId });
      return refused;
    },

    requireReadable: (name) => live.requireReadable(resourceStream(name)),

    find(name) {
      const state = live.resources.get(resourceStream(name))?.state;
      return state?.status === "registered" ? viewOf(state) : undefined;
    },

    list: registered,
  };
}

const views = new WeakMap<resource.ResourceState, ResourceView>();

/** The same object for the same state: it is asked for with every command, and decisions are remembered by it. */
function viewOf(state: resource.ResourceState): ResourceView {
  const known = views.get(state);
  if (known !== undefined) return known;
  const { name, protocol, labels, agentId } = state;
  const view = { name, protocol, labels, agentId };
  views.set(state, view);
  return view;
}
