import { toBase64 } from "./bytes.ts";
import { CHECKPOINT_STREAM, CHECKPOINT_TYPE, checkpointOf, originOf } from "./checkpoint.ts";
import { isLogged, leafBytes, type LoggedEvent } from "./leaf.ts";
import { LogVerifier } from "./log-verifier.ts";
import { CompactRange, treeHasher } from "./merkle.ts";
import type { Primitives } from "./primitives.ts";
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

/** An event as a ledger has it, or why what stands there is not one. */
export type StoredLeaf = Omit<Readable, "bytes"> | Broken;

/** Re-computes a whole ledger, in the order of its positions, against the checkpoints in it. */
export async function verifyLedger(
  primitives: Primitives,
  leaves: Iterable<StoredLeaf> | AsyncIterable<StoredLeaf>,
  trust: Trust,
  onProgress?: OnProgress,
): Promise<Verdict> {
  const hasher = treeHasher(primitives.sha256);
  const log = new LogVerifier(primitives, trust, new CompactRange(hasher));
  let origin: string | undefined;
  let broken: { readonly finding: Finding; left: number } | undefined;
  const tampered = (finding: Finding): Verdict => ({ kind: "tampered", finding, events: log.signedSize });
  for await (const found of leaves) {
    const stored = found.kind === "event" ? readable(found) : found;
    if (stored.kind === "broken") {
      if (!isLogged(stored.stream)) continue;
      broken ??= { finding: { code: "event.altered", message: stored.message, index: log.size, position: stored.position }, left: MAX_LOOK_AHEAD };
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
    }
    log.leaf(hash, position);
    if (log.size % PROGRESS_EVENTS === 0) onProgress?.(log.size);
  }
  if (broken !== undefined) return tampered(broken.finding);
  const finding = await log.end();
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

function readable({ event, position }: StoredLeaf & { readonly kind: "event" }): Readable | Broken {
  try {
    return { kind: "event", position, event, bytes: leafBytes(event) };
  } catch (error) {
    return { kind: "broken", position, stream: event.stream, message: error instanceof Error ? error.message : String(error) };
  }
}
