import { equal } from "@sallyport/proto/audit/bytes";
import type { Hash } from "@sallyport/proto/audit/merkle";
import { SallyportError } from "@sallyport/proto/errors";
import type { Ledger, RecordedEvent } from "../ledger.ts";
import type { Checkpointer } from "./checkpointer.ts";
import { hashOf } from "./leaf-batch.ts";
import { lastCheckpointBefore } from "./removed-evidence.ts";

/** What the tree knows of the log, for whoever removes events from it. */
export class SignedLog {
  readonly #ledger: Ledger;
  readonly #checkpointer: Pick<Checkpointer, "tree" | "last">;

  constructor(ledger: Ledger, checkpointer: Pick<Checkpointer, "tree" | "last">) {
    this.#ledger = ledger;
    this.#checkpointer = checkpointer;
  }

  /** The position up to which everything was signed before an instant; undefined when nothing was. */
  async horizon(instant: string): Promise<bigint | undefined> {
    const checkpoint = await lastCheckpointBefore(this.#ledger, instant);
    return checkpoint === undefined ? undefined : BigInt((checkpoint.data as { readonly position: string }).position);
  }

  /** Whether the last checkpoint covers this position. */
  covers(position: bigint): boolean {
    const { last } = this.#checkpointer;
    return last !== undefined && BigInt(last.position) >= position;
  }

  /** The leaf in the tree. Fails with `ledger.corrupt` when the event is not the one that it is of. */
  leafOf(event: RecordedEvent): Hash {
    const { tree } = this.#checkpointer;
    const index = tree.leafFrom(event.position);
    const leaf = index < tree.size && tree.positionOf(index) === event.position ? tree.leafAt(index) : undefined;
    if (leaf !== undefined && equal(leaf, hashOf(event))) return leaf;
    const position = String(event.position);
    throw new SallyportError("ledger.corrupt", `The event at position ${position} is not the one that is in the tree. \`sallyport audit verify\` tells more.`, {
      position,
    });
  }
}
