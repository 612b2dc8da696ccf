import { BUNDLE_FORMAT, type BundleHeader, type BundleScope, type ForgottenSubject } from "@sallyport/proto/audit/bundle-format";
import { toBase64 } from "@sallyport/proto/audit/bytes";
import { CHECKPOINT_STREAM, CHECKPOINT_TYPE, type CheckpointData, ROTATION_TYPE } from "@sallyport/proto/audit/checkpoint";
import type { RotationData } from "@sallyport/proto/audit/key-chain";
import { isLogged, leafText } from "@sallyport/proto/audit/leaf";
import { joinHashes } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { removedLine } from "@sallyport/proto/audit/removed-line";
import { type BundledEvent, type BundledEvidence, type BundledRemoval, writeBundle } from "@sallyport/proto/audit/write-bundle";
import { SallyportError } from "@sallyport/proto/errors";
import { isRemovable, type Ledger, readLog, type RecordedEvent } from "../ledger.ts";
import type { Checkpointer } from "./checkpointer.ts";
import { placeOf } from "./leaf-batch.ts";
import { type Concerns, type Evidence, evidenceOf } from "./removed-evidence.ts";
import { StreamLeaves } from "./stream-leaves.ts";

/** Streams of one export; each name is held while it runs. */
export const MAX_SELECTED_STREAMS = 300_000;

export interface ExportDeps {
  readonly ledger: Ledger;
  /** The same without what others wrote into it: what the log says of itself. */
  readonly own: Ledger;
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
  const evidence = await shownBeside(deps, signed, { leaf: (index) => index >= from && index < end, stream: () => true });
  let checkpoint = await checkpointOver(deps.own, end);
  const covered = Math.max(...evidence.shown.map(({ index }) => index + 1));
  if (covered > checkpoint.treeSize) {
    // That one tells which leaf is wrong at the end of the range.
    const index = tree.leafFrom(checkpoint.recorded.position);
    if (index < signed) evidence.shown.push({ index, text: leafText(checkpoint.recorded) });
    checkpoint = await checkpointOver(deps.own, Math.max(covered, index < signed ? index + 1 : 0));
  }
  const header: BundleHeader = {
    ...(await common(deps, options, checkpoint)),
    scope: { kind: "range" },
    from,
    to: end,
    frontier: toBase64(joinHashes(tree.prover.frontier(from))),
    consistency: toBase64(joinHashes(tree.prover.consistency(end, checkpoint.treeSize))),
  };
  yield* writeBundle(nodePrimitives.sha256, header, eventsOf(deps, options, evidence, from, end), signerOf(deps), proven(deps, evidence, checkpoint));
}

/** Whole streams, each event with its own proof. */
export async function* exportStreams(deps: ExportDeps, options: ExportOptions, { streams, ...scope }: Selection): AsyncGenerator<string, void, undefined> {
  const { tree } = deps.checkpointer;
  if (streams.size > MAX_SELECTED_STREAMS) throw new SallyportError("input.invalid", `That is more than ${MAX_SELECTED_STREAMS} streams: export a range.`);
  const signed = await signedSize(deps);
  const checkpoint = await checkpointOver(deps.own, signed);
  const evidence = await shownBeside(deps, signed, { leaf: () => true, stream: (stream) => streams.has(stream) });
  const header: BundleHeader = { ...(await common(deps, options, checkpoint)), scope, from: 0, to: checkpoint.treeSize, frontier: "", consistency: "" };
  async function* selected(): AsyncGenerator<BundledEvent | BundledRemoval> {
    for await (const event of eventsOf(deps, options, evidence, 0, checkpoint.treeSize, streams)) {
      yield { ...event, proof: tree.prover.inclusion(event.index, checkpoint.treeSize) };
    }
  }
  yield* writeBundle(nodePrimitives.sha256, header, selected(), signerOf(deps), proven(deps, evidence, checkpoint));
}

const shownBeside = async ({ own, checkpointer }: ExportDeps, signed: number, concerns: Concerns): Promise<Evidence> =>
  isRemovable(own) ? evidenceOf(own, checkpointer.tree, signed, concerns) : { shown: [], streams: new Set() };

const proven = ({ checkpointer: { tree } }: ExportDeps, { shown }: Evidence, { treeSize }: CheckpointData): BundledEvidence[] =>
  shown.map(({ index, text }) => ({ index, text, proof: tree.prover.inclusion(index, treeSize) }));

async function signedSize({ checkpointer }: ExportDeps): Promise<number> {
  const { last } = checkpointer;
  if (last === undefined)
    throw new SallyportError("ledger.unavailable", "Nothing is signed yet; the first checkpoint comes within a second of the first event.");
  return last.treeSize;
}

async function common(
  deps: ExportDeps,
  { forgotten }: ExportOptions,
  checkpoint: RecordedCheckpoint,
): Promise<Omit<BundleHeader, "scope" | "from" | "to" | "frontier" | "consistency">> {
  const rotations: RotationData[] = [];
  for await (const { stream, data } of deps.own.readAll({ filter: { by: "type", prefixes: [ROTATION_TYPE] } })) {
    if (stream === CHECKPOINT_STREAM) rotations.push(data as RotationData);
  }
  const { key } = signerOf(deps);
  const { recorded: _recorded, ...signed } = checkpoint;
  return {
    format: BUNDLE_FORMAT,
    origin: key.name,
    checkpoint: signed,
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
  evidence: Evidence,
  from: number,
  to: number,
  streams?: ReadonlySet<string>,
): AsyncGenerator<BundledEvent | BundledRemoval> {
  const { tree } = checkpointer;
  const leaves = isRemovable(ledger) ? new StreamLeaves(ledger) : undefined;
  let index = from;
  for await (const entry of readLog(ledger, tree.positionOf(from))) {
    const { stream, position, revision } = placeOf(entry);
    if (!isLogged(stream)) continue;
    if (index === to) return;
    // One that changed since it was hashed must not go out with a proof that is not its own.
    if (position !== tree.positionOf(index))
      throw new SallyportError("ledger.corrupt", "The ledger is not what its tree was made of.", { index: String(index) });
    if (streams === undefined || streams.has(stream)) {
      if (entry.kind === "event") {
        const keys = sealed ? undefined : keysIn?.(entry.event);
        yield { index, text: leafText(entry.event), ...(keys === undefined ? {} : { keys }) };
      } else {
        const { leaf } = entry.tombstone;
        if (!evidence.streams.has(stream)) throw new SallyportError("ledger.unavailable", "Events were removed while they were exported; export them again.");
        yield { index, leaf, removed: removedLine(stream, Number(revision), leaf, (await leaves?.inclusion(stream, Number(revision))) ?? []) };
      }
    }
    index++;
  }
  if (index < to) throw new SallyportError("ledger.corrupt", "The ledger is shorter than what was signed.", { index: String(index) });
}

type RecordedCheckpoint = CheckpointData & { readonly recorded: RecordedEvent };

/** The first checkpoint over at least so many leaves. Sizes grow along the stream, so it is searched by halves. */
async function checkpointOver(ledger: Ledger, leaves: number): Promise<RecordedCheckpoint> {
  const at = async (revision: bigint): Promise<RecordedCheckpoint | undefined> => {
    for await (const recorded of ledger.readStream(CHECKPOINT_STREAM, { from: revision }))
      if (recorded.type === CHECKPOINT_TYPE) return { ...(recorded.data as CheckpointData), recorded };
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
