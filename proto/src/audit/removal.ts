import { fromBase64 } from "./bytes.ts";
import type { Hash } from "./merkle.ts";
import { HASH_BYTES } from "./primitives.ts";

/** Where decisions to remove streams are recorded, and the type of the event that names the streams. Data at rest. */
export const RETENTION_PREFIX = "retention-";
export const REMOVAL_TYPE = "StreamsRemoved";

/** What a decision says of one stream: everything about it but its contents. */
export interface RemovedStream {
  readonly events: number;
  /** Root of the Merkle tree over the leaves of its events, in the order of revisions. */
  readonly root: Hash;
}

export interface RemovalDecision {
  readonly runId: string;
  /** Kind and name of who decided. */
  readonly by: string;
  /** Events must have been signed before this instant to go. */
  readonly cutOff: string;
  readonly streams: ReadonlyMap<string, RemovedStream>;
}

/** Removed events, by the run that removed them. */
export interface RemovedByRun {
  readonly runId: string;
  readonly by: string;
  readonly events: number;
}

/** Undefined when the event is no decision to remove streams, or does not hold what one holds. */
export function removalIn({ stream, type, data, metadata }: { stream: string; type: string; data: object; metadata: object }): RemovalDecision | undefined {
  if (type !== REMOVAL_TYPE || !stream.startsWith(RETENTION_PREFIX)) return undefined;
  const { runId, cutOff, streams: named } = data as Readonly<Record<string, unknown>>;
  if (typeof runId !== "string" || typeof cutOff !== "string" || !Array.isArray(named)) return undefined;
  const streams = new Map<string, RemovedStream>();
  for (const each of named as readonly unknown[]) {
    const { stream: name, events, leaves } = (each ?? {}) as Readonly<Record<string, unknown>>;
    const root = typeof leaves === "string" ? fromBase64(leaves) : undefined;
    if (typeof name !== "string" || typeof events !== "number" || root?.length !== HASH_BYTES) return undefined;
    streams.set(name, { events, root });
  }
  return { runId, by: actorIn(metadata), cutOff, streams };
}

function actorIn(metadata: object): string {
  const { kind, id } = ((metadata as Readonly<Record<string, unknown>>)["actor"] ?? {}) as Readonly<Record<string, unknown>>;
  return `${String(kind)} ${String(id)}`;
}

/** Counts what was removed, by run, in the order in which runs are first heard of. */
export class RemovalTally {
  readonly #runs = new Map<string, { readonly by: string; events: number }>();

  add({ runId, by }: RemovalDecision, events: number): void {
    const run = this.#runs.get(runId);
    if (run === undefined) this.#runs.set(runId, { by, events });
    else run.events += events;
  }

  runs(): RemovedByRun[] {
    return Array.from(this.#runs, ([runId, { by, events }]) => ({ runId, by, events }));
  }
}

/**
 * How many leaves were signed before an instant. Of a checkpoint that a later one beats, larger and signed no later by its clock,
 * nothing is kept, so sizes and times both grow.
 */
export class SignedSizes {
  readonly #steps: { readonly time: string; readonly treeSize: number }[] = [];

  add(time: string, treeSize: number): void {
    while ((this.#steps.at(-1)?.time ?? "") >= time) this.#steps.pop();
    if ((this.#steps.at(-1)?.treeSize ?? 0) < treeSize) this.#steps.push({ time, treeSize });
  }

  before(instant: string): number {
    let [low, high] = [0, this.#steps.length];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#steps[middle]?.time ?? "") < instant) low = middle + 1;
      else high = middle;
    }
    return this.#steps[low - 1]?.treeSize ?? 0;
  }
}
