import { equal } from "./bytes.ts";
import { CHECKPOINT_STREAM } from "./checkpoint.ts";
import { CompactRange, type Hash, type TreeHasher } from "./merkle.ts";
import { type RemovalDecision, RemovalTally, type RemovedByRun, RETENTION_PREFIX, SignedSizes } from "./removal.ts";
import type { Finding } from "./verdict.ts";

interface OpenStream {
  /** Of its first tombstone, and of its last. */
  readonly index: number;
  readonly position: string;
  last: number;
  tombstones: number;
  /** Nothing was found yet. */
  isSound: boolean;
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
  /** Told when nothing else is found: what lacks here is passed off as another stream's, and found there. */
  readonly #incomplete: Finding[] = [];
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

  /** Tombstones of a stream come in the order of its revisions, from the first. */
  removed(stream: string, revision: number, leaf: Hash, index: number, position: string): void {
    let open = this.#open.get(stream);
    if (open === undefined) {
      open = { index, position, last: index, tombstones: 0, isSound: true, leaves: new CompactRange(this.#hasher) };
      this.#open.set(stream, open);
    }
    if (open.isSound && (revision !== open.leaves.size || NEVER_REMOVED.some((prefix) => stream.startsWith(prefix)))) {
      open.isSound = false;
      this.#find({ index, position }, "What is left of this event does not belong here.");
    }
    open.leaves.append(leaf);
    open.tombstones++;
    open.last = index;
    this.#events++;
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
      if (!open.isSound) continue;
      if (open.leaves.size < events) this.#incomplete.push(finding(open, `Of ${name}, less is left than run ${decision.runId} removed.`));
      else if (open.leaves.size !== events || !equal(open.leaves.root(), root))
        this.#find(open, `What is removed of ${name} is not what run ${decision.runId} removed.`, open.last + 1);
      else if (open.last >= horizon) this.#find(open, `Run ${decision.runId} removed ${name} before its time: it was not yet signed at ${decision.cutOff}.`);
      else {
        this.#tally.add(decision, open.tombstones);
        this.#accepted.push({ decidedAt: index, stream: open });
      }
    }
  }

  /** When the last event was given. */
  end(): Finding | undefined {
    for (const [name, open] of this.#open) if (open.isSound) this.#find(open, `It was removed, and nothing in the log says that ${name} was to be.`);
    for (const { stream } of this.#accepted) this.#find(stream, "It was removed, and the decision to is not signed.");
    return this.first ?? this.#incomplete[0];
  }

  /** Of what was found so far, what comes first in the log. */
  get first(): Finding | undefined {
    return this.#findings.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0))[0];
  }

  get events(): number {
    return this.#events;
  }

  runs(): RemovedByRun[] {
    return this.#tally.runs();
  }

  #find(place: Pick<OpenStream, "index" | "position">, message: string, end?: number): void {
    this.#findings.push(finding(place, message, end));
  }
}

function finding({ index, position }: Pick<OpenStream, "index" | "position">, message: string, end = index + 1): Finding {
  return { code: "event.removed", message, index, ...(end === index + 1 ? {} : { end }), ...(position === "" ? {} : { position }) };
}

/** What the rest is proven by is never removed. */
const NEVER_REMOVED = [CHECKPOINT_STREAM, RETENTION_PREFIX];
