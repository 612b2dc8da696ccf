import type { ResourceRef } from "../domain/decision.ts";
import { resourceStream } from "../domain/resource/resource.events.ts";
import type { LiveState } from "./live-state.ts";

/** Resources that the record speaks of, those that are gone too, with the labels that they have or had last. */
export interface RecordedResources {
  of(name: string): ResourceRef;
  all(): Iterable<ResourceRef>;
}

export const createRecordedResources = (live: Pick<LiveState, "resources">): RecordedResources => ({
  // What was never served has no labels, and no protocol.
  of: (name) => live.resources.get(resourceStream(name))?.state ?? { name, protocol: "", labels: {} },
  all: () => live.resources.states(),
});
