import { textOf, utf8 } from "./bytes.ts";
import { CHECKPOINT_STREAM, CHECKPOINT_TYPE, checkpointOf, type SignedCheckpoint } from "./checkpoint.ts";
import type { KeyChain } from "./key-chain.ts";
import { type TreeHasher, verifyInclusion } from "./merkle.ts";
import type { Primitives } from "./primitives.ts";
import { type RemovalDecision, removalIn, RemovalTally, type RemovedByRun, SignedSizes } from "./removal.ts";
import type { RemovedEvent } from "./removed-line.ts";

/** What a bundle shows of the decisions to remove what it lacks: each line is proven to be in the log before it comes here. */
export class Evidence {
  readonly #primitives: Primitives;
  readonly #hasher: TreeHasher;
  readonly #keys: KeyChain;
  readonly #decisions = new Map<string, RemovalDecision>();
  readonly #signed = new SignedSizes();
  readonly #tally = new RemovalTally();
  /** One for each cut-off, and one for the end of the range. */
  readonly checkpoints: SignedCheckpoint[] = [];
  /** Removed events that were accepted. */
  events = 0;

  constructor(primitives: Primitives, hasher: TreeHasher, keys: KeyChain) {
    this.#primitives = primitives;
    this.#hasher = hasher;
    this.#keys = keys;
  }

  /** Whether the event says anything about removed ones. */
  async add(bytes: Uint8Array): Promise<boolean> {
    // In the log, so it is the JSON that was recorded.
    const event = JSON.parse(textOf(bytes) ?? "null") as { stream: string; type: string; data: object; metadata: object };
    const decision = removalIn(event);
    if (decision !== undefined) {
      for (const stream of decision.streams.keys()) this.#decisions.set(stream, decision);
      return true;
    }
    const checkpoint = event.stream === CHECKPOINT_STREAM && event.type === CHECKPOINT_TYPE ? checkpointOf(this.#primitives.sha256, event.data) : undefined;
    if (checkpoint === undefined || !this.#keys.accepts(checkpoint.key)) return false;
    if (!(await this.#primitives.verifyEd25519(checkpoint.key.publicKey, utf8(checkpoint.text), checkpoint.signature))) return false;
    this.#signed.add(checkpoint.time, checkpoint.treeSize);
    this.checkpoints.push(checkpoint);
    return true;
  }

  /** Takes a removed event, or answers why it may not be gone. */
  problemWith({ stream, revision, leaf, member }: RemovedEvent, index: number): string | undefined {
    const decision = this.#decisions.get(stream);
    const said = decision?.streams.get(stream);
    if (decision === undefined || said === undefined) return `It was removed, and nothing in the bundle says that ${stream} was to be.`;
    if (!verifyInclusion(this.#hasher, revision, said.events, leaf, member, said.root))
      return `It is not among the events of ${stream} that run ${decision.runId} removed.`;
    if (index >= this.#signed.before(decision.cutOff))
      return `Run ${decision.runId} removed ${stream} before its time: it was not yet signed at ${decision.cutOff}.`;
    this.#tally.add(decision, 1);
    this.events++;
    return undefined;
  }

  runs(): RemovedByRun[] {
    return this.#tally.runs();
  }
}
