import { schemaVersionOf } from "../domain/catalogue.ts";
import type { DomainEvent } from "../domain/events.ts";
import type { EventMetadata, NewEvent } from "../ledger/ledger.ts";
import type { CommandContext } from "./ports.ts";

/** `at` is when the command was given. */
export function newEvent(id: string, { type, data }: DomainEvent, context: CommandContext, at: string, causationId?: string): NewEvent {
  const metadata: EventMetadata = {
    $correlationId: context.correlationId,
    ...(causationId === undefined ? {} : { $causationId: causationId }),
    actor: context.actor,
    schemaVersion: schemaVersionOf(type),
    at,
  };
  return { id, type, data, metadata };
}
