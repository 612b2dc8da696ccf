import { SallyportError } from "@sallyport/proto/errors";
import type { Preview } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Conversation, Reply } from "./conversation.ts";
import { PREVIEW_IDLE_TIMEOUT_MS, PREVIEW_LOCK_TIMEOUT_MS, PREVIEW_STATEMENT_TIMEOUT_MS } from "./limits.ts";
import { maskText } from "./plan.ts";

/** Longest part of the target's own message that is passed on. */
const MAX_QUOTED_LENGTH = 500;

/** Runs `step` in a transaction with every bound of a preview, and rolls it back whatever comes. */
export async function rolledBack<T>(conversation: Conversation, access: "read only" | "read write", step: () => Promise<T>): Promise<T> {
  const begun = await conversation.query(
    `begin isolation level read committed ${access}; set local statement_timeout = ${PREVIEW_STATEMENT_TIMEOUT_MS}; ` +
      `set local lock_timeout = ${PREVIEW_LOCK_TIMEOUT_MS}; set local idle_in_transaction_session_timeout = ${PREVIEW_IDLE_TIMEOUT_MS}`,
  );
  try {
    if (begun.failure !== undefined || begun.status !== "T") throw new SallyportError("preview.failed", "The target began no transaction.");
    return await step();
  } finally {
    // Where the session is over, the server has rolled back already.
    await conversation.query("rollback").catch(() => undefined);
  }
}

/** What is looked at, whose own constants may be shown. */
export type Explained = Pick<Preview, "statement" | "parameters">;

/** What the target said to something of the command's, or why there is no answer. */
export function requireDone({ failure, ...reply }: Reply, { statement, parameters }: Explained): Omit<Reply, "failure"> {
  if (failure === undefined) return reply;
  const { sqlstate, message } = failure;
  throw new SallyportError("preview.failed", explain(sqlstate, maskText(message.slice(0, MAX_QUOTED_LENGTH), statement, parameters)));
}

function explain(sqlstate: string, message: string): string {
  if (sqlstate === "57014") return `It did not finish within the ${PREVIEW_STATEMENT_TIMEOUT_MS / 1_000} s of a preview.`;
  if (sqlstate === "55P03") return "Others hold locks that it would wait for.";
  return `It would fail: ${message} (${sqlstate})`;
}
