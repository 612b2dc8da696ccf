import type { TransactionStatus } from "@sallyport/proto/wire/postgres/backend";
import type { CommandFacts, TransactionState } from "../../domain/facts.ts";

const states = { I: "none", T: "open", E: "failed" } as const satisfies Record<TransactionStatus, TransactionState>;

/** One object for each state: what is the same is decided from memory, which goes by identity. */
const known = new WeakMap<CommandFacts, Partial<Record<TransactionState, CommandFacts>>>();

/** Facts of a text, as it comes in this state of the session's transaction. */
export function inTransaction(facts: CommandFacts, status: TransactionStatus): CommandFacts {
  const transaction = states[status];
  if (facts.transaction === transaction) return facts;
  let variants = known.get(facts);
  if (variants === undefined) known.set(facts, (variants = {}));
  return (variants[transaction] ??= { ...facts, transaction });
}
