import type { Conversation } from "./conversation.ts";
import type { PlannedChange } from "./planned-change.ts";
import { type ChangedTable, requireNoSideEffects } from "./side-effects.ts";
import { type Explained, requireDone } from "./transaction.ts";

/** The tag of a change that ran. */
export const COUNT = /^(?:INSERT 0|UPDATE|DELETE|MERGE) (\d+)$/;

/** Locks the table so that nobody gives it a trigger, and asks the catalogue. Fails with `preview.unsafe`. */
export async function requireChangeable(conversation: Conversation, planned: PlannedChange, of: Explained): Promise<ChangedTable> {
  requireDone(await conversation.query(`lock table only ${nameOf(planned)} in row exclusive mode; set constraints all immediate`), of);
  return requireNoSideEffects(conversation, planned);
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const nameOf = ({ schema, table }: PlannedChange): string => `${quoted(schema)}.${quoted(table)}`;
