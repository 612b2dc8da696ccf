import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import { upcast } from "../domain/catalogue.ts";
import type { IntegrityCommand, IntegrityState } from "../domain/integrity/integrity.decider.ts";
import * as integrity from "../domain/integrity/integrity.decider.ts";
import { type IntegrityEvent, integrityStream } from "../domain/integrity/integrity.events.ts";
import { eventId } from "../ledger/event-id.ts";
import type { Ledger, RecordedEvent } from "../ledger/ledger.ts";
import { MAX_ATTEMPTS, type Folded } from "./execute-command.ts";
import { newEvent } from "./new-event.ts";
import type { Clock } from "./ports.ts";
import { systemContext } from "./use-case.ts";

export type RecordIntegrity = (command: IntegrityCommand) => Promise<RecordedEvent | undefined>;

/**
 * Appends what vouches for the log, and answers with it as it is recorded; with nothing when it changes nothing. The stream is as
 * long as the log is old, so its state is read from its end.
 */
export function createIntegrityRecord({ ledger, clock, nodeId }: { readonly ledger: Ledger; readonly clock: Clock; readonly nodeId: string }): RecordIntegrity {
  return async (command) => {
    const commandId = randomUUID();
    for (let attempt = 1; ; attempt++) {
      const { state, revision: expected } = await stateFromEnd(ledger);
      const at = clock.now().toISOString();
      const [event] = integrity.decide(command, state);
      if (event === undefined) return undefined;
      const stored = newEvent(eventId(commandId, 0), event, systemContext(nodeId, commandId), at);
      try {
        const { revision, position } = await ledger.append(integrityStream, [stored], expected);
        return { ...stored, stream: integrityStream, revision, position, recordedAt: clock.now() };
      } catch (error) {
        if (!(error instanceof SallyportError) || error.code !== "stream.conflict" || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  };
}

/** A checkpoint says all that those before it say. */
async function stateFromEnd(ledger: Ledger): Promise<Folded<IntegrityState>> {
  const events: IntegrityEvent[] = [];
  let revision: Folded<IntegrityState>["revision"] = "none";
  for await (const recorded of ledger.readStream(integrityStream, { direction: "backwards" })) {
    if (revision === "none") ({ revision } = recorded);
    events.push(upcast(recorded) as IntegrityEvent);
    if (recorded.type === "CheckpointSigned") break;
  }
  return { state: events.toReversed().reduce(integrity.evolve, integrity.initialState), revision };
}
