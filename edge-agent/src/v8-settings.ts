import { setFlagsFromString } from "node:v8";

/**
 * Called first. A relay's buffers die young. Counted apart from the heap, as V8 does unless told otherwise, they start a full
 * collection with every 64 MiB that pass: half of the CPU of a COPY. Counted with it, the ordinary collections free them.
 */
export function applyV8Settings(): void {
  setFlagsFromString("--external-memory-accounted-in-global-limit");
}
