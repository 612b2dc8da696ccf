import { CompactRange, type Hash, type TreeHasher } from "@sallyport/proto/audit/merkle";
import { setImmediate as nextTurn } from "node:timers/promises";
import { toBase64 } from "@sallyport/proto/audit/bytes";
import type { RemovedStreamName } from "../../domain/retention/retention.events.ts";
import type { RetainedCategory } from "../../domain/retention/retention-rules.ts";
import { sessionStream } from "../../domain/session/session.events.ts";
import type { Ledger, RecordedEvent } from "../../ledger/ledger.ts";

/** The log as it was signed. Its implementation is `ledger/integrity`. */
export interface ProvenLog {
  /** The position up to which everything was signed before an instant; undefined when nothing was. */
  horizon(instant: string): Promise<bigint | undefined>;
  covers(position: bigint): boolean;
  /** Fails with `ledger.corrupt` when the event is not the one that was hashed. */
  leafOf(event: RecordedEvent): Hash;
}

/** A stream that may go, with what is kept of it. */
export interface EndedStream extends RemovedStreamName {
  readonly oldest: Date;
  readonly newest: Date;
}

export interface EndedStreamsDeps {
  /** As it is stored, with what others wrote into it. */
  readonly ledger: Pick<Ledger, "readAll" | "readStream">;
  /** As it reads, without that: whether something is over, ours say. */
  readonly record: Pick<Ledger, "readStream">;
  readonly proven: ProvenLog;
  readonly hasher: TreeHasher;
}

const sessionOver: ReadonlySet<string> = new Set(["SessionEnded", "SessionRefused"]);
const approvalSettled: ReadonlySet<string> = new Set([
  "ApprovalCounterAccepted",
  "ApprovalDenied",
  "ApprovalExpired",
  "ApprovalWithdrawn",
  "ApprovalConsumed",
  "ApprovalRevoked",
]);

/** What may be the last word on an approval; only its plan says which use is the last. */
const approvalLast = new Set([...approvalSettled, "ApprovalUsed"]);

/**
 * The streams of a category that are over and were signed, to their last event, whoever wrote it, up to the horizon. One pass over what is that old; a
 * stream is read when something of it says that it may be over. A turn of the event loop passes between two streams.
 */
export async function* endedStreams(deps: EndedStreamsDeps, category: RetainedCategory, horizon: bigint): AsyncGenerator<EndedStream> {
  const { ledger, record } = deps;
  const seen = new Set<string>();
  for await (const { stream, type, position } of ledger.readAll({ filter: { by: "stream", prefixes: [`${category}-`] } })) {
    if (position > horizon) return;
    const last = category === "session" ? sessionOver : category === "approval" ? approvalLast : undefined;
    if (seen.has(stream) || (last !== undefined && !last.has(type))) continue;
    seen.add(stream);
    const head = await lastOf(ledger, stream);
    if (head !== undefined && head.position <= horizon && (await isOver(record, category, stream))) {
      const ended = await measured(deps, stream);
      if (ended !== undefined) yield ended;
    }
    await nextTurn();
  }
}

/** By what is ours: behind the end there may be what somebody else wrote. */
async function isOver(record: EndedStreamsDeps["record"], category: RetainedCategory, stream: string): Promise<boolean> {
  if (category === "approval") return isApprovalOver(record, stream);
  if (category !== "session") return isSessionOver(record, stream.slice(category.length + 1));
  const head = await lastOf(record, stream);
  return head !== undefined && sessionOver.has(head.type);
}

/** Once it is settled, whatever came behind that; or when the last command of its plan was used. */
async function isApprovalOver(record: EndedStreamsDeps["record"], stream: string): Promise<boolean> {
  let unused = Infinity;
  for await (const { type, data } of record.readStream(stream)) {
    if (type === "ApprovalRequested") unused = plannedIn(data) ?? Infinity;
    else if (type === "ApprovalUsed") unused--;
    else if (approvalSettled.has(type)) return true;
  }
  return unused <= 0;
}

/** As it was recorded, whatever its version. */
function plannedIn(data: unknown): number | undefined {
  const { plan } = data as { readonly plan?: { readonly commands?: readonly unknown[] } | null };
  return plan?.commands?.length;
}

/** What has no events any more was removed: a session's first event comes before its recording's. */
async function isSessionOver(record: EndedStreamsDeps["record"], sessionId: string): Promise<boolean> {
  const head = await lastOf(record, sessionStream(sessionId));
  return head === undefined || sessionOver.has(head.type);
}

async function lastOf(record: EndedStreamsDeps["record"], stream: string): Promise<RecordedEvent | undefined> {
  for await (const event of record.readStream(stream, { direction: "backwards", limit: 1 })) return event;
  return undefined;
}

/** Undefined for what came into a stream after it was removed: a stream goes once. */
async function measured({ ledger, proven, hasher }: EndedStreamsDeps, stream: string): Promise<EndedStream | undefined> {
  const leaves = new CompactRange(hasher);
  let oldest: Date | undefined;
  let newest = new Date(0);
  for await (const event of ledger.readStream(stream)) {
    if (event.revision !== BigInt(leaves.size)) return undefined;
    leaves.append(proven.leafOf(event));
    oldest ??= event.recordedAt;
    newest = event.recordedAt;
  }
  return oldest === undefined ? undefined : { stream, events: leaves.size, leaves: toBase64(leaves.root()), oldest, newest };
}
