import { createHash } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import type { Proposed } from "../../domain/approval/approval.decider.ts";
import { MAX_PLAN_BYTES, MAX_PLAN_COMMANDS } from "../../domain/approval/plan.ts";
import { commandDigest, type Executable } from "./command-record.ts";
import type { StatementAnalyser } from "./facts/analysis.ts";
import { tokens } from "./facts/lexer.ts";
import { inspectProposal } from "./inspect-proposal.ts";

interface Bound {
  readonly resource: string;
  readonly requester: string;
}

export interface InspectedPlan {
  readonly commands: readonly Proposed[];
  /** Over those of its commands, in their order. */
  readonly digest: string;
}

/** Cuts a script as psql does: at each semicolon outside of literals and parentheses, without comments before a statement. */
export function splitPlan(text: string): string[] {
  const statements: string[] = [];
  let start = -1;
  let depth = 0;
  let end = 0;
  for (const token of tokens(text)) {
    if (start === -1 && token.kind === "comment") continue;
    const isEnd = token.kind === "symbol" && token.text === ";" && depth === 0;
    if (start === -1 && !isEnd) start = token.start;
    if (token.kind === "symbol" && token.text === "(") depth += 1;
    if (token.kind === "symbol" && token.text === ")") depth = Math.max(0, depth - 1);
    if (isEnd && start !== -1) {
      statements.push(text.slice(start, token.start).trim());
      start = -1;
    }
    if (token.kind !== "comment") end = token.end;
  }
  if (start !== -1) statements.push(text.slice(start, end).trim());
  return statements;
}

/** What a script would run: facts and digest of each of its statements. Fails on what cannot be read, rather than asking people for it. */
export async function inspectPlan(analyser: StatementAnalyser, text: string, bound: Bound): Promise<InspectedPlan> {
  const invalid = (message: string): SallyportError => new SallyportError("input.invalid", message, { field: "text" });
  if (Buffer.byteLength(text) > MAX_PLAN_BYTES || !text.isWellFormed() || text.includes("\0"))
    throw invalid(`A plan is a text of at most ${MAX_PLAN_BYTES} bytes.`);
  const statements = splitPlan(text);
  if (statements.length === 0 || statements.length > MAX_PLAN_COMMANDS) throw invalid(`A plan has 1 to ${MAX_PLAN_COMMANDS} commands.`);
  const commands: Proposed[] = [];
  for (const [index, statement] of statements.entries()) {
    const proposed = await inspectProposal(analyser, statement, bound);
    if (proposed.facts.hazards.includes("unparsed")) throw invalid(`Command ${index + 1} of the plan cannot be read: ${statement.slice(0, 100)}`);
    commands.push(proposed);
  }
  return {
    commands,
    digest: createHash("sha256")
      .update(JSON.stringify(commands.map(({ digest }) => digest)))
      .digest("hex"),
  };
}

/** As it would stand in a plan; undefined for what cannot, such as a command with parameters. */
export function plannedDigest(executable: Executable, bound: Bound): string | undefined {
  if (executable.parameters.length > 0 || executable.via === "function_call" || executable.sql.length > MAX_PLAN_BYTES) return undefined;
  const [statement, ...more] = splitPlan(executable.sql.toString("utf8"));
  if (statement === undefined || more.length > 0) return undefined;
  return commandDigest({ ...executable, via: "simple", sql: Buffer.from(statement, "utf8"), parameterTypes: [], parameters: [] }, bound);
}
