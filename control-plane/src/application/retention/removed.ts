import { SallyportError } from "@sallyport/proto/errors";
import { approvalStream } from "../../domain/approval/approval.events.ts";
import { upcast } from "../../domain/catalogue.ts";
import type { RetentionEvent } from "../../domain/retention/retention.events.ts";
import type { RetainedCategory } from "../../domain/retention/retention-rules.ts";
import { recordingStream } from "../../domain/session/recording.events.ts";
import { sessionStream } from "../../domain/session/session.events.ts";
import type { Ledger, RemovableLedger, RecordedEvent } from "../../ledger/ledger.ts";

type Readable = Pick<Ledger, "readAll"> & Partial<Pick<RemovableLedger, "tombstones">>;
type StreamsRemoved = Extract<RetentionEvent, { type: "StreamsRemoved" }>["data"];

/** Why a session is not there: it never was, or it was removed, by which run and when. */
export async function sessionNotFound(ledger: Readable, sessionId: string): Promise<SallyportError> {
  const removal = await removalOf(ledger, sessionStream(sessionId));
  if (removal === undefined) return new SallyportError("session.not_found", "No such session.", { sessionId });
  const { runId, at } = removal;
  return new SallyportError("session.not_found", `This session was removed by retention run ${runId} on ${at.slice(0, 10)}.`, { sessionId, run: runId, at });
}

/** A sentence on what was removed of a session that is there itself: its recording, or approvals that it asked for. */
export async function* removedOf(ledger: Ledger & Readable, sessionId: string): AsyncGenerator<string> {
  if (ledger.tombstones === undefined) return;
  const recording = await removalNote(ledger, recordingStream(sessionId));
  if (recording !== undefined) yield `The recording of this session was ${recording}.`;
  for await (const recorded of ledger.readStream(sessionStream(sessionId))) {
    const event = recorded.type === "CommandHeld" ? upcast(recorded) : undefined;
    const approvalId = event?.type === "CommandHeld" ? event.data.approvalId : undefined;
    const note = approvalId === undefined ? undefined : await removalNote(ledger, approvalStream(approvalId));
    if (note !== undefined) yield `Approval ${String(approvalId)} was ${note}.`;
  }
}

/** "removed by …", when it was. */
export async function removalNote(ledger: Readable, stream: string): Promise<string | undefined> {
  const removal = await removalOf(ledger, stream);
  return removal === undefined ? undefined : `removed by retention run ${removal.runId} on ${removal.at.slice(0, 10)}`;
}

/** The decision that removed a stream. The record of decisions is looked through only when something was removed of it. */
async function removalOf(ledger: Readable, stream: string): Promise<{ readonly runId: string; readonly at: string } | undefined> {
  if (ledger.tombstones === undefined) return undefined;
  for await (const _tombstone of ledger.tombstones(stream)) {
    for await (const { data, recorded } of removals(ledger)) {
      if (data.streams.some((each) => each.stream === stream)) return { runId: data.runId, at: recorded.metadata.at };
    }
    return undefined;
  }
  return undefined;
}

/** Of each category, the latest instant before which streams that ended were removed, and by which run. */
export async function removedUpTo(ledger: Readable): Promise<ReadonlyMap<RetainedCategory, { readonly cutOff: string; readonly runId: string }>> {
  const latest = new Map<RetainedCategory, { readonly cutOff: string; readonly runId: string }>();
  for await (const { data } of removals(ledger)) {
    const { category, cutOff, runId } = data;
    if (cutOff > (latest.get(category)?.cutOff ?? "")) latest.set(category, { cutOff, runId });
  }
  return latest;
}

async function* removals(ledger: Readable): AsyncGenerator<{ readonly data: StreamsRemoved; readonly recorded: RecordedEvent }> {
  for await (const recorded of ledger.readAll({ filter: { by: "type", prefixes: ["StreamsRemoved"] } })) {
    const event = upcast(recorded);
    if (event.type === "StreamsRemoved") yield { data: event.data, recorded };
  }
}
