import { SallyportError } from "@sallyport/proto/errors";
import type { Proposed } from "../../domain/approval/approval.decider.ts";
import { commandDigest } from "./command-record.ts";
import type { StatementAnalyser } from "./facts/analysis.ts";

/** What somebody proposes in place of a held query: its facts, and the digest that it would have if its requester sent it. */
export async function inspectProposal(
  analyser: StatementAnalyser,
  statement: string,
  bound: { readonly resource: string; readonly requester: string },
): Promise<Proposed> {
  const sql = Buffer.from(statement, "utf8");
  const { facts, recordable, redacted, leavesReadOnly } = await analyser.analyse(sql);
  // It would be recorded, shown and sent in a notice.
  if (redacted) throw new SallyportError("input.invalid", "A text that holds a password cannot be put before others.", { field: "statement" });
  const digest = commandDigest({ via: "simple", sql, parameterTypes: [], parameters: [], facts, recordable, redacted, leavesReadOnly }, bound);
  return { statement, digest, facts };
}
