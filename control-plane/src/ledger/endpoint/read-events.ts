import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ReadResp } from "@sallyport/proto/gen/event_store/client/streams";
import type { Ledger } from "../ledger.ts";
import { followStream, headOf } from "./follow-stream.ts";
import { RefusalError } from "./refusal.ts";
import type { ReadPlan, Start } from "./read-plan.ts";
import { isExpired, viewStream } from "./stream-view.ts";
import { caughtUpMessage, checkpointMessage, confirmationMessage, eventMessage, notFoundMessage } from "./wire-values.ts";

/** What a reader may see, besides what streams hide from everybody. */
export type MayRead = (stream: string) => boolean;

/** Names that a filter refused before others get their turn: a pattern costs up to 1 ms for each. */
export const REFUSED_PER_TURN = 16;

interface Source {
  readonly ledger: Ledger;
  readonly mayRead: MayRead;
  readonly signal: AbortSignal;
}

/** The answers to one Read call, at the pace of whoever takes them. */
export function readEvents(source: Source, plan: ReadPlan): AsyncIterable<ReadResp> {
  switch (plan.kind) {
    case "readStream":
      return readStream(source, plan);
    case "readAll":
      return readAll(source, plan);
    case "followStream":
      return followOne(source, plan);
    case "followAll":
      return followAll(source, plan);
  }
}

type Plan<Kind extends ReadPlan["kind"]> = Extract<ReadPlan, { readonly kind: Kind }>;

async function* readStream({ ledger }: Source, plan: Plan<"readStream">): AsyncGenerator<ReadResp> {
  const { stream, direction, uuids } = plan;
  const view = await viewStream(ledger, stream);
  if (view.kind === "tombstoned") throw new RefusalError({ kind: "streamDeleted", stream });
  if (view.kind !== "present") {
    yield notFoundMessage(stream);
    return;
  }
  if (direction === "forwards" && plan.from === "end") return;
  let left = plan.limit;
  const now = Date.now();
  const from = startRevision(plan.from, direction === "forwards" ? view.truncatedBefore : undefined);
  for await (const event of ledger.readStream(stream, { direction, ...(from === undefined ? {} : { from }) })) {
    if (event.revision < view.truncatedBefore) return; // backwards: nothing visible is left
    if (isExpired(event, view.rules, now)) continue;
    yield eventMessage(event, uuids);
    if (--left === 0) return;
  }
}

/** The first revision to read; nothing means from the very end, backwards, or from the very start. */
function startRevision(from: Start, least: bigint | undefined): bigint | undefined {
  if (from === "end") return undefined;
  if (least === undefined) return from === "start" ? 0n : from;
  return from === "start" || from < least ? least : from;
}

async function* readAll({ ledger, mayRead }: Source, plan: Plan<"readAll">): AsyncGenerator<ReadResp> {
  const { direction, filter, uuids } = plan;
  if (direction === "forwards" ? plan.from === "end" : plan.from === "start") return;
  const from = typeof plan.from === "bigint" ? plan.from : undefined;
  let left = plan.limit;
  let refused = 0;
  for await (const event of ledger.readAll({ direction, ...(from === undefined ? {} : { from }), ...(filter?.ledger && { filter: filter.ledger }) })) {
    if (!mayRead(event.stream) || filter?.test?.(event) === false) {
      if (++refused % REFUSED_PER_TURN === 0) await nextTurn();
      continue;
    }
    yield eventMessage(event, uuids);
    if (--left === 0) return;
  }
}

async function* followOne({ ledger, signal }: Source, { stream, after, uuids }: Plan<"followStream">): AsyncGenerator<ReadResp> {
  const messages = await followStream(ledger, stream, after, signal);
  yield confirmationMessage(randomUUID());
  for await (const message of messages) {
    if (message.kind === "caughtUp") yield caughtUpMessage;
    if (message.kind === "event") yield eventMessage(message.event, uuids);
  }
}

/** With a filter, checkpoints: after so many events that were shown, and whenever the ledger itself has come far without showing any. */
async function* followAll({ ledger, mayRead, signal }: Source, plan: Plan<"followAll">): AsyncGenerator<ReadResp> {
  const { filter, uuids, checkpointEvery } = plan;
  const after = await exclusiveStart(ledger, plan.after);
  const messages = ledger.subscribeToAll({ ...(after === undefined ? {} : { after }), ...(filter?.ledger && { filter: filter.ledger }), signal });
  yield confirmationMessage(randomUUID());
  let looked = 0;
  for await (const message of messages) {
    if (message.kind === "caughtUp") yield caughtUpMessage;
    if (message.kind === "checkpoint") {
      looked = 0;
      if (filter !== undefined) yield checkpointMessage(message.position);
    }
    if (message.kind !== "event") continue;
    const { event } = message;
    looked++;
    if (mayRead(event.stream) && filter?.test?.(event) !== false) yield eventMessage(event, uuids);
    else if (looked % REFUSED_PER_TURN === 0) await nextTurn();
    if (filter === undefined || looked < checkpointEvery) continue;
    looked = 0;
    yield checkpointMessage(event.position);
  }
}

/** `end` is told as the largest position by some clients. */
async function exclusiveStart(ledger: Ledger, after: Start): Promise<bigint | "end" | undefined> {
  if (after === "start") return undefined;
  if (after === "end") return "end";
  return after > BigInt(Number.MAX_SAFE_INTEGER) ? headOf(ledger) : after;
}
