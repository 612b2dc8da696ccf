import { equal } from "./bytes.ts";
import { CompactRange, type Hash, type TreeHasher } from "./merkle.ts";
import { type RemovalDecision, RemovalTally, type RemovedByRun, SignedSizes } from "./removal.ts";
import type { Finding } from "./verdict.ts";

interface OpenStream {
  /** Of its first tombstone, and of its last. */
  readonly index: number;
  readonly position: string;
  last: number;
  tombstones: number;
  /** Over its leaves: tombstones, then what a removal that was cut short has left. */
  readonly leaves: CompactRange;
}

/**
 * Holds what a ledger has of removed events against the decisions in it.
 *
 * D1. A tombstone is nothing by itself: it waits until a decision names its stream. What still waits at the end is a finding.
 * D2. A decision names the number of a stream's events and the root over their leaves, so no other event can be passed off as one.
 * D3. It counts only when it is signed itself, and for events that were signed before its cut-off.
 */
export class Removals {
  readonly #hasher: TreeHasher;
  readonly #open = new Map<string, OpenStream>();
  readonly #signed = new SignedSizes();
  readonly #tally = new RemovalTally();
  /** In the order in which they were found, which need not be that of the log. */
  readonly #findings: Finding[] = [];
  #accepted: { readonly decidedAt: number; readonly stream: OpenStream }[] = [];
  #events = 0;

  constructor(hasher: TreeHasher) {
    this.#hasher = hasher;
  }

  checkpoint(time: string, treeSize: number): void {
    this.#signed.add(time, treeSize);
    // What is signed now needs no second look.
    if (this.#accepted.length > 0) this.#accepted = this.#accepted.filter(({ decidedAt }) => decidedAt >= treeSize);
  }

  /** Answers false when it does not follow the tombstone before it. */
  removed(stream: string, revision: number, leaf: Hash, index: number, position: string): boolean {
    let open = this.#open.get(stream);
    if (open === undefined) {
      open = { index, position, last: index, tombstones: 0, leaves: new CompactRange(this.#hasher) };
      this.#open.set(stream, open);
    }
    if (revision !== open.leaves.size) return false;
    open.leaves.append(leaf);
    open.tombstones++;
    open.last = index;
    this.#events++;
    return true;
  }

  /** An event that is there; of its stream, others may be gone. */
  event(stream: string, leaf: Hash, index: number): void {
    if (this.#open.size === 0) return;
    const open = this.#open.get(stream);
    if (open === undefined) return;
    open.leaves.append(leaf);
    open.last = index;
  }

  decided(decision: RemovalDecision, index: number): void {
    const horizon = this.#signed.before(decision.cutOff);
    for (const [name, { events, root }] of decision.streams) {
      const open = this.#open.get(name);
      if (open === undefined) continue;
      this.#open.delete(name);
      if (open.leaves.size !== events || !equal(open.leaves.root(), root)) this.#find(open, `What is removed of ${name} is not what run ${decision.runId} removed.`);
      else if (open.last >= horizon) this.#find(open, `Run ${decision.runId} removed ${name} before its time: it was not yet signed at ${decision.cutOff}.`);
      else {
        this.#tally.add(decision, open.tombstones);
        this.#accepted.push({ decidedAt: index, stream: open });
      }
    }
  }

  /** When the last event was given: the first in the log that was removed without a decision. */
  end(): Finding | undefined {
    for (const [name, open] of this.#open) this.#find(open, `It was removed, and nothing in the log says that ${name} was to be.`);
    for (const { stream } of this.#accepted) this.#find(stream, "It was removed, and the decision to is not signed.");
    return this.#findings.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0))[0];
  }

  get events(): number {
    return this.#events;
  }

  runs(): RemovedByRun[] {
    return this.#tally.runs();
  }

  #find({ index, position }: OpenStream, message: string): void {
    this.#findings.push({ code: "event.removed", message, index, ...(position === "" ? {} : { position }) });
  }
}
