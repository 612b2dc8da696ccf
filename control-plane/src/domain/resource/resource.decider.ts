import { SallyportError } from "@sallyport/proto/errors";
import type { ResourceRef } from "../decision.ts";
import { requireName, requireText } from "../names.ts";
import type { ResourceEvent } from "./resource.events.ts";

export type ResourceCommand =
  /** `ownerGone`: the agent that has it now was revoked, so that another may take the name. */
  | { readonly type: "Offer"; readonly resource: ResourceRef; readonly agentId: string; readonly ownerGone: boolean }
  | { readonly type: "Retire"; readonly agentId: string };

export interface ResourceState {
  readonly status: "absent" | "registered" | "retired";
  readonly name: string;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly agentId: string;
}

export const initialState: ResourceState = { status: "absent", name: "", protocol: "", labels: {}, agentId: "" };

/** Labels are facts for policy, not a place for documents. */
export const MAX_LABELS = 32;
const MAX_LABEL_LENGTH = 256;

export function decide(command: ResourceCommand, state: ResourceState): ResourceEvent[] {
  const held = state.status === "registered";
  switch (command.type) {
    case "Offer": {
      const { name, protocol, labels } = command.resource;
      requireResource(command.resource);
      const data = { name, protocol, labels, agentId: command.agentId };
      if (!held) return [{ type: "ResourceRegistered", data }];
      if (state.agentId !== command.agentId) {
        if (!command.ownerGone) throw new SallyportError("resource.conflict", `Another agent already serves a resource named ${name}.`, { name });
        return [
          { type: "ResourceRetired", data: { name, agentId: state.agentId } },
          { type: "ResourceRegistered", data },
        ];
      }
      return state.protocol === protocol && sameLabels(state.labels, labels) ? [] : [{ type: "ResourceChanged", data }];
    }
    case "Retire":
      return held && state.agentId === command.agentId ? [{ type: "ResourceRetired", data: { name: state.name, agentId: state.agentId } }] : [];
  }
}

export function evolve(state: ResourceState, event: ResourceEvent): ResourceState {
  switch (event.type) {
    case "ResourceRegistered":
    case "ResourceChanged":
      return { status: "registered", ...event.data };
    case "ResourceRetired":
      return { ...state, status: "retired" };
  }
}

function requireResource({ name, protocol, labels }: ResourceRef): void {
  requireName("resource", name);
  requireName("protocol", protocol);
  const entries = Object.entries(labels);
  if (entries.length > MAX_LABELS) throw new SallyportError("input.invalid", `More than ${String(MAX_LABELS)} labels.`, { name });
  for (const part of entries.flat()) requireText("label", part, MAX_LABEL_LENGTH);
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
