import { BUNDLE_FORMAT, type BundleHeader, type BundleScope, type ForgottenSubject } from "@sallyport/proto/audit/bundle-format";
import { toBase64 } from "@sallyport/proto/audit/bytes";
import { CHECKPOINT_STREAM, CHECKPOINT_TYPE, type CheckpointData, ROTATION_TYPE } from "@sallyport/proto/audit/checkpoint";
import type { RotationData } from "@sallyport/proto/audit/key-chain";
import { isLogged, leafText } from "@sallyport/proto/audit/leaf";
import { joinHashes } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { type BundledEvent, writeBundle } from "@sallyport/proto/audit/write-bundle";
import { SallyportError } from "@sallyport/proto/errors";
import type { Ledger, RecordedEvent } from "../ledger.ts";
import type { Checkpointer } from "./checkpointer.ts";

/** Streams of one export; each name is held while it runs. */
export const MAX_SELECTED_STREAMS = 300_000;

export interface ExportDeps {
  readonly ledger: Ledger;
  readonly checkpointer: Checkpointer;
  /** JSON Schema of the data of each event type. */
  readonly schemas: Readonly<Record<string, unknown>>;
  readonly now: () => Date;
  /** Keys for the personal data of an event as it is stored; absent where none is sealed. */
  readonly keysIn?: (event: RecordedEvent) => ReadonlyMap<string, Uint8Array>;
}

export interface ExportOptions {
  /** Personal data stays sealed: no keys are handed out. */
  readonly sealed: boolean;
  readonly forgotten: readonly ForgottenSubject[];
}

export const asRecorded: ExportOptions = { sealed: true, forgotten: [] };

/** Indices of the first leaf and of the one after the last; absent is from the beginning, and to what is signed. */
export interface LeafRange {
  readonly from?: number;
  readonly to?: number;
}

export type Selection = BundleScope & { readonly streams: ReadonlySet<string> };

/** Every event between two leaves. Nothing is exported that no checkpoint covers. */
export async function* exportRange(deps: ExportDeps, options: ExportOptions, { from = 0, to }: LeafRange): AsyncGenerator<string, void, undefined> {
  const { tree } = deps.checkpointer;
  const signed = await signedSize(deps);
  const end = Math.min(to ?? signed, signed);
  if (from >= end) throw new SallyportError("input.invalid", `There are no signed events in that range; ${signed} are signed.`);
  const checkpoint = await checkpointOver(deps.ledger, end);
  const header: BundleHeader = {
    ...(await common(deps, options, checkpoint)),
    scope: { kind: "range" },
    from,
    to: end,
    frontier: toBase64(joinHashes(tree.prover.frontier(from))),
    consistency: toBase64(joinHashes(tree.prover.consistency(end, checkpoint.treeSize))),
  };
  yield* writeBundle(nodePrimitives.sha256, header, eventsOf(deps, options, from, end), signerOf(deps));
}

/** Whole streams, each event with its own proof. */
export async function* exportStreams(deps: ExportDeps, options: ExportOptions, { streams, ...scope }: Selection): AsyncGenerator<string, void, undefined> {
  const { tree } = deps.checkpointer;
  if (streams.size > MAX_SELECTED_STREAMS) throw new SallyportError("input.invalid", `That is more than ${MAX_SELECTED_STREAMS} streams: export a range.`);
  const checkpoint = await checkpointOver(deps.ledger, await signedSize(deps));
  const header: BundleHeader = { ...(await common(deps, options, checkpoint)), scope, from: 0, to: checkpoint.treeSize, frontier: "", consistency: "" };
  async function* selected(): AsyncGenerator<BundledEvent> {
    for await (const event of eventsOf(deps, options, 0, checkpoint.treeSize, streams)) {
      yield { ...event, proof: tree.prover.inclusion(event.index, checkpoint.treeSize) };
    }
  }
  yield* writeBundle(nodePrimitives.sha256, header, selected(), signerOf(deps));
}

async function signedSize({ checkpointer }: ExportDeps): Promise<number> {
  const { last } = checkpointer;
  if (last === undefined)
    throw new SallyportError("ledger.unavailable", "Nothing is signed yet; the first checkpoint comes within a second of the first event.");
  return last.treeSize;
}

async function common(
  deps: ExportDeps,
  { forgotten }: ExportOptions,
  checkpoint: CheckpointData,
): Promise<Omit<BundleHeader, "scope" | "from" | "to" | "frontier" | "consistency">> {
  const rotations: RotationData[] = [];
  for await (const { stream, data } of deps.ledger.readAll({ filter: { by: "type", prefixes: [ROTATION_TYPE] } })) {
    if (stream === CHECKPOINT_STREAM) rotations.push(data as RotationData);
  }
  const { key } = signerOf(deps);
  return {
    format: BUNDLE_FORMAT,
    origin: key.name,
    checkpoint,
    cosignatures: deps.checkpointer.cosignatures(checkpoint.treeSize),
    key: rotations[0]?.oldKey ?? key.text,
    rotations,
    exportedAt: deps.now().toISOString(),
    schemas: deps.schemas,
    ...(forgotten.length === 0 ? {} : { forgotten }),
  };
}

function signerOf({ checkpointer }: ExportDeps): NonNullable<ReturnType<Checkpointer["signer"]>> {
  const signer = checkpointer.signer();
  if (signer === undefined) throw new SallyportError("ledger.unavailable", "Nothing is recorded yet.");
  return signer;
}

async function* eventsOf(
  { ledger, checkpointer, keysIn }: ExportDeps,
  { sealed }: ExportOptions,
  from: number,
  to: number,
  streams?: ReadonlySet<string>,
): AsyncGenerator<BundledEvent> {
  const { tree } = checkpointer;
  let index = from;
  for await (const event of ledger.readAll({ from: tree.positionOf(from) })) {
    if (!isLogged(event.stream)) continue;
    if (index === to) return;
    // One that changed since it was hashed must not go out with a proof that is not its own.
    if (event.position !== tree.positionOf(index))
      throw new SallyportError("ledger.corrupt", "The ledger is not what its tree was made of.", { index: String(index) });
    if (streams === undefined || streams.has(event.stream))
      yield { index, text: leafText(event), ...(sealed || keysIn === undefined ? {} : { keys: keysIn(event) }) };
    index++;
  }
  if (index < to) throw new SallyportError("ledger.corrupt", "The ledger is shorter than what was signed.", { index: String(index) });
}

/** The first checkpoint over at least so many leaves. Sizes grow along the stream, so it is searched by halves. */
async function checkpointOver(ledger: Ledger, leaves: number): Promise<CheckpointData> {
  const at = async (revision: bigint): Promise<CheckpointData | undefined> => {
    for await (const { type, data } of ledger.readStream(CHECKPOINT_STREAM, { from: revision })) if (type === CHECKPOINT_TYPE) return data as CheckpointData;
    return undefined;
  };
  let high = 0n;
  for await (const { revision } of ledger.readStream(CHECKPOINT_STREAM, { direction: "backwards", limit: 1 })) high = revision;
  for (let low = 0n; low < high;) {
    const middle = (low + high) / 2n;
    const found = await at(middle);
    if (found !== undefined && found.treeSize < leaves) low = middle + 1n;
    else high = middle;
  }
  const checkpoint = await at(high);
  if (checkpoint === undefined || checkpoint.treeSize < leaves) throw new SallyportError("ledger.unavailable", "No checkpoint covers that yet.");
  return checkpoint;
}
