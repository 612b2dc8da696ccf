import type { Checkpoint } from "@sallyport/proto/audit/checkpoint";
import type { WitnessRecord } from "@sallyport/proto/audit/verdict";

/** A checkpoint on its way to somebody who keeps it outside of the system. */
export interface Witnessed {
  readonly record: WitnessRecord;
  readonly checkpoint: Checkpoint;
  /** That the tree grew out of one of `old` leaves. */
  consistency(old: number): readonly Uint8Array[];
}

export interface Witness {
  /** For logs. */
  readonly name: string;
  /** Whether a checkpoint that is overtaken while it waits need not be pushed: the later one says what it said. */
  readonly onlyLatest: boolean;
  /** Kept when it resolves. Answers signature lines of the witness, if it makes some. */
  push(witnessed: Witnessed): Promise<readonly string[]>;
}
