import { setFlagsFromString } from "node:v8";

/** Called first. */
export function applyV8Settings(): void {
  // A relay's buffers die young. Counted apart from the heap, as V8 does unless told otherwise, they start a full
  // collection with every 64 MiB that pass: half of the CPU of a COPY. Counted with it, the ordinary collections free them.
  setFlagsFromString("--external-memory-accounted-in-global-limit");
  // While they pass at speed V8 lets a small heap grow by a little between two full collections: one every 10 MiB that pass, again half of
  // the CPU of a COPY, and a pause for every session. Four times its size is as far as V8 goes by itself where nothing hurries.
  setFlagsFromString("--heap-growing-percent=300");
}
