import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import { upcast } from "../domain/catalogue.ts";
import type { Decider } from "../domain/decider.ts";
import type { DomainEvent } from "../domain/events.ts";
import { eventId } from "../ledger/event-id.ts";
import type { EventMetadata, ExpectedRevision, Ledger } from "../ledger/ledger.ts";
import { newEvent } from "./new-event.ts";
import type { Clock, CommandContext } from "./ports.ts";

/** A stream's state, and the revision that it is the state of. */
export interface Folded<State> {
  readonly state: State;
  readonly revision: ExpectedRevision;
}

export interface Execution<Command, State, Event> {
  readonly decider: Decider<Command, State, Event>;
  readonly stream: string;
  readonly command: Command;
  readonly context: CommandContext;
  /** The event that this command reacts to. */
  readonly causationId?: string;
  /** Names the command in its event ids; the same id again is the same command. A random one when absent. */
  readonly commandId?: string;
  /** What is believed to be the stream's state; spares the read when it turns out right. */
  readonly believed?: Folded<State> | undefined;
}

export interface Executed<State, Event> extends Folded<State> {
  readonly events: readonly Event[];
}

export interface AppliedEvent {
  readonly stream: string;
  readonly revision: bigint;
  readonly event: DomainEvent;
  readonly metadata: EventMetadata;
}

export interface ExecuteDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** Told of each successful append before the caller is, so that views show one's own writes. */
  readonly applied?: (events: readonly AppliedEvent[]) => Promise<void>;
}

export type Execute = <Command, State, Event extends DomainEvent>(execution: Execution<Command, State, Event>) => Promise<Executed<State, Event>>;

/** Each conflict means that somebody else got through, so a command that loses this often competes with a storm of others. */
export const MAX_ATTEMPTS = 10;

/**
 * Load, decide, append: the only place where a decider meets the ledger.
 * Fails with what the decider throws, `ledger.unavailable`, or `stream.conflict` after `MAX_ATTEMPTS`.
 *
 * A believed state is never the reason for a refusal, nor for doing nothing: only the ledger's own state is. It is safe for
 * appending, because the append names the revision that it was decided on.
 */
export const createExecute =
  ({ ledger, clock, applied }: ExecuteDeps): Execute =>
  async ({ decider, stream, command, context, causationId, commandId = randomUUID(), believed }) => {
    const at = clock.now().toISOString();
    for (let attempt = 1; ; attempt++) {
      const belief = attempt === 1 ? believed : undefined;
      let folded = belief ?? (await load(ledger, decider, stream));
      let events = belief === undefined ? decider.decide(command, folded.state, at) : attemptOn(belief.state, decider, command, at);
      if (events.length === 0 && belief !== undefined) {
        folded = await load(ledger, decider, stream);
        events = decider.decide(command, folded.state, at);
      }
      if (events.length === 0) return { ...folded, events };
      const stored = events.map((event, index) => newEvent(eventId(commandId, index), event, context, at, causationId));
      try {
        const { revision } = await ledger.append(stream, stored, folded.revision);
        const first = revision - BigInt(events.length - 1);
        await applied?.(stored.map(({ metadata }, index) => ({ stream, revision: first + BigInt(index), event: events[index] as DomainEvent, metadata })));
        return { events, state: events.reduce(decider.evolve, folded.state), revision };
      } catch (error) {
        if (!(error instanceof SallyportError) || error.code !== "stream.conflict" || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  };

export async function load<State, Event extends DomainEvent>(
  ledger: Ledger,
  { evolve, initialState }: Pick<Decider<never, State, Event>, "evolve" | "initialState">,
  stream: string,
): Promise<Folded<State>> {
  let state = initialState;
  let revision: ExpectedRevision = "none";
  for await (const recorded of ledger.readStream(stream)) {
    // The stream's name says which aggregate its events belong to.
    state = evolve(state, upcast(recorded) as Event);
    revision = recorded.revision;
  }
  return { state, revision };
}

function attemptOn<Command, State, Event>(state: State, decider: Decider<Command, State, Event>, command: Command, at: string): Event[] {
  try {
    return decider.decide(command, state, at);
  } catch {
    return []; // decided again on the ledger's own state, which throws it again if it was right
  }
}
