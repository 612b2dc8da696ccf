import { SallyportError } from "@sallyport/proto/errors";
import type { Appended, ExpectedRevision, NewEvent } from "../ledger.ts";
import type { ClientConnection } from "./client-connection.ts";
import { unavailable } from "./client-failure.ts";
import { toClientEvent } from "./event-conversion.ts";
import { retrying } from "./retrying.ts";
import type { QueuedAppend, SendBatch } from "./stream-queues.ts";

/** Finds the position of the event at a revision that is known to be stored. */
export type FindPosition = (stream: string, from: bigint, count: number, deadline: number) => Promise<ReadonlyMap<bigint, bigint>>;

/**
 * One append for several that follow on. The server answers for the last event only: the positions of the others are read.
 * When the whole is refused, some part of it is stored already or somebody came in between: then each part is sent by itself.
 */
export function batchSender(connection: ClientConnection, patienceMs: number, findPositions: FindPosition): SendBatch {
  const append = (stream: string, events: readonly NewEvent[], expected: ExpectedRevision, deadline: number): Promise<Appended> =>
    appendOnce(connection, patienceMs, { stream, events, expected, deadline });

  const one = async ({ stream, events, expected, deadline }: QueuedAppend): Promise<PromiseSettledResult<Appended>> => {
    const [outcome] = await Promise.allSettled([append(stream, events, expected, deadline)]);
    return outcome;
  };

  return async (batch) => {
    const [first] = batch;
    if (first === undefined) return [];
    if (batch.length === 1) return [await one(first)];
    const { stream, expected, deadline } = first;
    const events = batch.flatMap((each) => each.events);
    try {
      const whole = await append(stream, events, expected, deadline);
      return await settled(batch, whole, events.length, findPositions);
    } catch (error) {
      if (!(error instanceof SallyportError) || error.code !== "stream.conflict") return batch.map(() => ({ status: "rejected", reason: error }));
    }
    const outcomes: PromiseSettledResult<Appended>[] = [];
    for (const each of batch) outcomes.push(await one(each));
    return outcomes;
  };
}

async function settled(batch: readonly QueuedAppend[], whole: Appended, count: number, find: FindPosition): Promise<readonly PromiseSettledResult<Appended>[]> {
  const [first] = batch;
  if (first === undefined) return [];
  let revision = whole.revision - BigInt(count);
  const positions = await find(first.stream, revision + 1n, count - 1, first.deadline);
  return batch.map(({ events }) => {
    revision += BigInt(events.length);
    const position = revision === whole.revision ? whole.position : positions.get(revision);
    if (position !== undefined) return { status: "fulfilled", value: { revision, position } };
    // Stored, but where is not known: a retry with the same ids finds it.
    return { status: "rejected", reason: unavailable(0, new Error("the position of an append could not be read")) };
  });
}

async function appendOnce(
  connection: ClientConnection,
  patienceMs: number,
  { stream, events, expected, deadline }: Omit<QueuedAppend, "bytes">,
): Promise<Appended> {
  const proposed = events.map(toClientEvent);
  const expectedRevision = expected === "none" ? "no_stream" : expected;
  const answer = await retrying(connection, { deadline, patienceMs }, async ({ client }) => {
    const { nextExpectedRevision, position } = await client.appendToStream(stream, proposed, { expectedRevision });
    if (position === undefined) throw new Error("The server answered an append without its position.");
    return { revision: nextExpectedRevision, position: position.commit };
  });
  switch (answer.kind) {
    case "done":
      return answer.result;
    case "conflict": {
      const details = { stream, expected: String(expected), actual: answer.actual };
      throw new SallyportError("stream.conflict", "Somebody else changed this first.", details);
    }
    case "tooLarge":
      throw new SallyportError("ledger.too_large", "The append is larger than the ledger accepts.", { stream });
    case "streamNotFound":
      throw new Error("An append cannot miss its stream.");
  }
}
