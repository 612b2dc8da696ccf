import { toBase64 } from "./bytes.ts";
import { CHECKPOINT_STREAM, CHECKPOINT_TYPE, checkpointOf, originOf } from "./checkpoint.ts";
import { isLogged, leafBytes, type LoggedEvent } from "./leaf.ts";
import { LogVerifier } from "./log-verifier.ts";
import { CompactRange, type Hash, treeHasher } from "./merkle.ts";
import { HASH_BYTES, type Primitives } from "./primitives.ts";
import { REMOVAL_TYPE, removalIn } from "./removal.ts";
import { Removals } from "./removals.ts";
import { type Finding, type OnProgress, PROGRESS_EVENTS, type Trust, type Verdict } from "./verdict.ts";
import { MAX_LOOK_AHEAD } from "./verify-bundle.ts";

interface Broken {
  readonly kind: "broken";
  readonly position: string;
  readonly stream: string;
  readonly message: string;
}

interface Readable {
  readonly kind: "event";
  readonly position: string;
  readonly event: LoggedEvent;
  readonly bytes: Uint8Array;
}

/** What is left of an event that retention removed. */
interface Removed {
  readonly kind: "removed";
  readonly position: string;
  readonly stream: string;
  readonly revision: number;
  readonly leaf: Hash;
}

/** An event as a ledger has it, what is left of it, or why what stands there is not one. */
export type StoredLeaf = Omit<Readable, "bytes"> | Removed | Broken;

/** Re-computes a whole ledger, in the order of its positions, against the checkpoints in it. */
export async function verifyLedger(
  primitives: Primitives,
  leaves: Iterable<StoredLeaf> | AsyncIterable<StoredLeaf>,
  trust: Trust,
  onProgress?: OnProgress,
): Promise<Verdict> {
  const hasher = treeHasher(primitives.sha256);
  const log = new LogVerifier(primitives, trust, new CompactRange(hasher));
  const removals = new Removals(hasher);
  let origin: string | undefined;
  let broken: BrokenAt | undefined;
  const tampered = (found: Finding): Verdict => {
    const { first } = removals;
    const isFirst = first !== undefined && (first.index ?? 0) < (found.index ?? Number.POSITIVE_INFINITY);
    return { kind: "tampered", finding: isFirst ? first : found, events: log.signedSize };
  };
  for await (const found of leaves) {
    const stored = found.kind === "event" ? readable(found) : found.kind === "removed" ? tombstone(found) : found;
    if (stored.kind === "broken") {
      if (!isLogged(stored.stream)) continue;
      broken ??= brokenAt(log.size, stored.position, stored.message);
      continue;
    }
    if (stored.kind === "removed") {
      const { stream, revision, leaf, position } = stored;
      if (!isLogged(stream) || broken !== undefined) continue;
      origin ??= originOf(leaf);
      removals.removed(stream, revision, leaf, log.size, position);
      log.leaf(leaf, position);
      continue;
    }
    const { event, position } = stored;
    if (!isLogged(event.stream)) continue;
    const control = event.stream === CHECKPOINT_STREAM;
    if (broken !== undefined) {
      // What is above may be wrong too, and would be the first: the next checkpoint tells.
      const checkpoint = control && event.type === CHECKPOINT_TYPE ? checkpointOf(primitives.sha256, event.data) : undefined;
      const earlier = checkpoint === undefined ? undefined : await log.earlier(checkpoint);
      if (earlier !== undefined) return tampered(earlier);
      if ((checkpoint?.treeSize ?? 0) >= log.size || --broken.left <= 0) return tampered(broken.finding);
      continue;
    }
    const hash = hasher.leaf(stored.bytes);
    origin ??= originOf(hash);
    if (control) {
      const finding = await log.control(event.type, event.data, hash, position);
      if (finding !== undefined) return tampered(finding);
      if (event.type === CHECKPOINT_TYPE && log.last !== undefined) removals.checkpoint(log.last.time, log.last.treeSize);
    }
    const decision = event.type === REMOVAL_TYPE ? removalIn(event) : undefined;
    if (decision === undefined) removals.event(event.stream, hash, log.size);
    else removals.decided(decision, log.size);
    log.leaf(hash, position);
    if (log.size % PROGRESS_EVENTS === 0) onProgress?.(log.size);
  }
  if (broken !== undefined) return tampered(broken.finding);
  const finding = (await log.end()) ?? removals.end();
  if (finding !== undefined) return tampered(finding);
  const { last } = log;
  if (last === undefined || origin === undefined) {
    return tampered({ code: "checkpoint.forged", message: "No checkpoint is in this ledger: nothing vouches for it." });
  }
  if (last.origin !== origin) return tampered({ code: "key.replaced", message: `The key belongs to another log, ${last.origin}.`, index: 0 });
  return {
    kind: "verified",
    origin,
    events: log.size,
    removed: removals.events,
    removals: removals.runs(),
    treeSize: last.treeSize,
    root: toBase64(last.root),
    signedAt: last.time,
    unsigned: log.unsigned,
    keys: log.chain.keys,
    pinned: trust.keys.length > 0,
    witnessed: log.witnessed,
    cosigned: [],
  };
}

interface BrokenAt {
  readonly finding: Finding;
  left: number;
}

const brokenAt = (index: number, position: string, message: string): BrokenAt => ({
  finding: { code: "event.altered", message, index, ...(position === "" ? {} : { position }) },
  left: MAX_LOOK_AHEAD,
});

const tombstone = (removed: Removed): Removed | Broken =>
  removed.leaf.length === HASH_BYTES ? removed : { ...removed, kind: "broken", message: "What is left of this event is not a hash." };

function readable({ event, position }: StoredLeaf & { readonly kind: "event" }): Readable | Broken {
  try {
    return { kind: "event", position, event, bytes: leafBytes(event) };
  } catch (error) {
    return { kind: "broken", position, stream: event.stream, message: error instanceof Error ? error.message : String(error) };
  }
}
