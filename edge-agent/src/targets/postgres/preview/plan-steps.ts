import { SallyportError } from "@sallyport/proto/errors";
import type { Preview, PreviewedStep, PreviewStep } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Conversation } from "./conversation.ts";
import { COUNT, requireChangeable } from "./changed-rows.ts";
import { MAX_PLAN_BYTES, PREVIEW_PLAN_TIMEOUT_MS, PREVIEW_STATEMENT_TIMEOUT_MS } from "./limits.ts";
import { maskText } from "./plan.ts";
import { readPlannedChange } from "./planned-change.ts";
import { requireDone, rolledBack } from "./transaction.ts";

/**
 * Looks at the commands of a plan in their order.
 *
 * S1. Without a dry run each is explained as things are now; what cannot be (it needs what an earlier one makes, say) tells why, and the
 *     others go on.
 * S2. A dry run is one transaction, so that each command sees what earlier ones did. It is all or nothing: a count after a step that
 *     failed would be of something else.
 * S3. No command runs before the target's catalogue says that it, after those before it, has no effect which outlives the rollback.
 * S4. What it changed is locked for PREVIEW_PLAN_TIMEOUT_MS at most, however many commands there are.
 */
export function lookAtSteps(conversation: Conversation, { steps, dryRun }: Preview): Promise<PreviewedStep[]> {
  const room = Math.floor(MAX_PLAN_BYTES / Math.max(1, steps.length));
  return dryRun ? runAll(conversation, steps, room) : explainAll(conversation, steps, room);
}

async function explainAll(conversation: Conversation, steps: readonly PreviewStep[], room: number): Promise<PreviewedStep[]> {
  const seen: PreviewedStep[] = [];
  for (const step of steps) {
    const explained = rolledBack(conversation, "read only", () => explain(conversation, step, room));
    seen.push(
      await explained.then(
        (plan) => ({ number: step.number, plan, failure: "" }),
        (error: unknown) => ({ number: step.number, plan: "", failure: messageOf(error) }),
      ),
    );
  }
  return seen;
}

/** Of what the target refused; anything else ends the preview. */
function messageOf(error: unknown): string {
  const known = SallyportError.from(error);
  if (known.code !== "preview.failed") throw known;
  return known.message;
}

async function explain(conversation: Conversation, { statement }: PreviewStep, room: number): Promise<string> {
  const { rows } = requireDone(await conversation.run(`explain (format text) ${statement}`, []), { statement, parameters: [] });
  return maskText(rows.map(([line]) => line ?? "").join("\n"), statement, [], room);
}

function runAll(conversation: Conversation, steps: readonly PreviewStep[], room: number): Promise<PreviewedStep[]> {
  const deadline = performance.now() + PREVIEW_PLAN_TIMEOUT_MS;
  return rolledBack(conversation, "read write", async () => {
    const seen: PreviewedStep[] = [];
    for (const step of steps) {
      try {
        const left = Math.floor(Math.min(deadline - performance.now(), PREVIEW_STATEMENT_TIMEOUT_MS));
        if (left < 1) throw new SallyportError("preview.failed", `Its time is up: a plan has ${PREVIEW_PLAN_TIMEOUT_MS / 1_000} s together.`);
        await conversation.query(`set local statement_timeout = ${left}`);
        const plan = await explainedApart(conversation, step, room);
        const rows = step.change ? { rows: await change(conversation, step) } : {};
        seen.push({ number: step.number, plan, failure: "", ...rows });
      } catch (error) {
        const { code, message, cause } = SallyportError.from(error);
        throw new SallyportError(code, `Command ${step.number} of the plan: ${message}`, {}, cause);
      }
    }
    return seen;
  });
}

/** The planner calls functions, which may change nothing while it does. */
async function explainedApart(conversation: Conversation, step: PreviewStep, room: number): Promise<string> {
  const { statement } = step;
  requireDone(await conversation.query("savepoint sallyport_plan; set local transaction_read_only = on"), { statement, parameters: [] });
  const plan = await explain(conversation, step, room);
  requireDone(await conversation.query("rollback to savepoint sallyport_plan; release savepoint sallyport_plan"), { statement, parameters: [] });
  return plan;
}

async function change(conversation: Conversation, { statement }: PreviewStep): Promise<bigint> {
  const of = { statement, parameters: [] };
  const { rows } = requireDone(await conversation.run(`explain (verbose, format json) ${statement}`, []), of);
  await requireChangeable(conversation, readPlannedChange(rows[0]?.[0] ?? "[]"), of);
  const { tag, status } = requireDone(await conversation.run(statement, [], 0), of);
  const changed = COUNT.exec(tag)?.[1];
  if (changed === undefined || status !== "T") throw new SallyportError("preview.failed", "The target did not say how many rows it changed.");
  return BigInt(changed);
}
