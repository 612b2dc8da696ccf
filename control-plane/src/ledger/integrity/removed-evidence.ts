import { CHECKPOINT_STREAM, CHECKPOINT_TYPE, type CheckpointData } from "@sallyport/proto/audit/checkpoint";
import { leafText } from "@sallyport/proto/audit/leaf";
import { REMOVAL_TYPE, type RemovalDecision, removalIn } from "@sallyport/proto/audit/removal";
import type { Ledger, RecordedEvent, RemovableLedger } from "../ledger.ts";
import type { LogTree } from "./log-tree.ts";

/** An event of the log that says something about what was removed. */
export interface Shown {
  readonly index: number;
  readonly text: string;
}

/** Whether a leaf, or a stream, is exported. */
export interface Concerns {
  readonly leaf: (index: number) => boolean;
  readonly stream: (stream: string) => boolean;
}

export interface Evidence {
  readonly shown: Shown[];
  /** That the decisions name. */
  readonly streams: ReadonlySet<string>;
}

/**
 * What shows that the removals among certain leaves were decided: the decisions, and for each cut-off the checkpoint that had covered
 * everything before it.
 */
export async function evidenceOf(ledger: RemovableLedger, tree: LogTree, signed: number, concerns: Concerns): Promise<Evidence> {
  const shown: Shown[] = [];
  const streams = new Set<string>();
  const cutOffs = new Set<string>();
  const show = (event: RecordedEvent): boolean => {
    const index = tree.leafFrom(event.position);
    // Nothing goes before the decision is signed.
    if (index >= signed) return false;
    shown.push({ index, text: leafText(event) });
    return true;
  };
  for await (const event of ledger.readAll({ filter: { by: "type", prefixes: [REMOVAL_TYPE] } })) {
    const decision = removalIn(event);
    if (decision === undefined || !(await isConcerned(ledger, tree, decision, concerns)) || !show(event)) continue;
    cutOffs.add(decision.cutOff);
    for (const stream of decision.streams.keys()) streams.add(stream);
  }
  const covering = new Map<bigint, RecordedEvent>();
  for (const cutOff of cutOffs) {
    const checkpoint = await lastCheckpointBefore(ledger, cutOff);
    if (checkpoint !== undefined) covering.set(checkpoint.position, checkpoint);
  }
  for (const checkpoint of covering.values()) show(checkpoint);
  return { shown, streams };
}

async function isConcerned(ledger: RemovableLedger, tree: LogTree, { streams }: RemovalDecision, concerns: Concerns): Promise<boolean> {
  for (const stream of streams.keys()) {
    if (!concerns.stream(stream)) continue;
    for await (const { position } of ledger.tombstones(stream)) if (concerns.leaf(tree.leafFrom(position))) return true;
  }
  return false;
}

/** The last checkpoint that was signed before an instant: times grow along the stream, so it is searched by halves. */
export async function lastCheckpointBefore(ledger: Ledger, instant: string): Promise<RecordedEvent | undefined> {
  const at = async (revision: bigint): Promise<RecordedEvent | undefined> => {
    for await (const event of ledger.readStream(CHECKPOINT_STREAM, { direction: "backwards", from: revision }))
      if (event.type === CHECKPOINT_TYPE) return event;
    return undefined;
  };
  let high = -1n;
  for await (const { revision } of ledger.readStream(CHECKPOINT_STREAM, { direction: "backwards", limit: 1 })) high = revision;
  let found: RecordedEvent | undefined;
  for (let low = 0n; low <= high;) {
    const middle = (low + high) / 2n;
    const checkpoint = await at(middle);
    if (checkpoint !== undefined && (checkpoint.data as CheckpointData).time >= instant) {
      high = middle - 1n;
    } else {
      found = checkpoint ?? found;
      low = middle + 1n;
    }
  }
  return found;
}
