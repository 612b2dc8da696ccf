import type { ResourceEvent } from "../../domain/resource/resource.events.ts";
import type { Change, Projected } from "./change.ts";

export interface ResourceWrites {
  /** `labels` is JSON. */
  readonly resourceServed: readonly [name: string, protocol: string, labels: string, agentId: string, at: string];
  readonly resourceRetired: readonly [at: string, name: string];
}

export function projectResource({ event, metadata: { at } }: Projected<ResourceEvent>): Change[] {
  if (event.type === "ResourceRetired") return [["resourceRetired", at, event.data.name]];
  const { name, protocol, labels, agentId } = event.data;
  return [["resourceServed", name, protocol, JSON.stringify(labels), agentId, at]];
}
