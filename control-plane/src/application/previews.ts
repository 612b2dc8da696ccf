import { createHash, randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import * as approval from "../domain/approval/approval.decider.ts";
import { type ApprovalEvent, approvalStream } from "../domain/approval/approval.events.ts";
import type { Detector, Obligations, Principal } from "../domain/decision.ts";
import { strictestObligations } from "../domain/obligations.ts";
import { takeDecision } from "../domain/take-decision.ts";
import type { Approvals, ApprovalView } from "./approval-ports.ts";
import type { Identities, Resources } from "./ports.ts";
import { wholeCommand } from "./command-text.ts";
import type { Policies } from "./policy-ports.ts";
import type { PreviewResult, Previewer, Previews } from "./preview-ports.ts";
import { load } from "./execute-command.ts";
import { grantedBy } from "./grant-view.ts";
import { maskedUnlessReadable, ofReading } from "./preview-masks.ts";
import { PreviewQueue } from "./preview-queue.ts";
import { circumstancesIn, type RequestersSession, readRequestersSession } from "./requesters-session.ts";
import { decidedBy, systemContext, type UseCaseDeps } from "./use-case.ts";

type Previewed = Extract<ApprovalEvent, { type: "ApprovalPreviewed" }>["data"];

export interface PreviewDeps extends UseCaseDeps {
  readonly approvals: Pick<Approvals, "load">;
  readonly policies: Pick<Policies, "current">;
  readonly resources: Pick<Resources, "find">;
  readonly identities: Pick<Identities, "find">;
}

/** Characters of a plan that are recorded; what is longer is shown whole, and its digest covers all of it. */
export const MAX_RECORDED_PLAN_LENGTH = 16_384;
/** Bytes of a command and its parameters: it travels to the agent in one frame, with what is masked. */
export const MAX_PREVIEWED_BYTES = 65_536;
/** Of a failure's message, which may quote the target. */
const MAX_RECORDED_MESSAGE_LENGTH = 1_000;

/** Approvers see rows that they did not ask for: what can be recognised is masked for them whatever the policy says. */
const everyDetector: readonly Detector[] = ["email", "card", "ssn", "phone", "iban"];

/**
 * Looks at what a held command would do, for those who may decide on it.
 *
 * P1. The intent is durable before the target is asked, the outcome before anybody is shown it (I1).
 * P2. What is looked at is what is held: its text is the recorded one, and has the digest that an approval would be bound to (I4).
 * P3. Rows are masked by the agent as policy would for the requester and for whoever looks, whichever is stricter, and wholly where the
 *     requester may not read them without an approval (I2).
 * P4. Nobody waits for a preview but whoever asked for it.
 */
export function createPreviews(
  { ledger, live, execute, approvals, policies, resources, identities, clock, log, nodeId }: PreviewDeps,
  previewer: Previewer,
): Previews {
  const queue = new PreviewQueue();

  /** As the command would run now; fails when it would not. */
  function obligationsFor(view: ApprovalView, by: Principal, session: RequestersSession): Obligations {
    const requester = identities.find(view.requestedBy);
    const resource = resources.find(view.resource);
    const { granted } = session;
    const circumstances = circumstancesIn(session, clock.now());
    const commands = view.plan?.commands ?? [view.command];
    const asked = commands.flatMap(({ facts }) => {
      const run = { resource, action: "run", facts, circumstances } as const;
      const theirs = takeDecision(policies.current(), { ...run, principal: requester?.disabled === true ? undefined : requester, granted });
      if (theirs.effect === "deny") throw new SallyportError("approval.drift", `Policy does not allow this any more. ${theirs.reason}`);
      // What is masked in answer to the command may not be all that is masked in answer to a read; and its permit may unmask once somebody agreed.
      const reading = takeDecision(policies.current(), { ...run, facts: ofReading(facts), principal: requester, granted });
      return [theirs.obligations, maskedUnlessReadable(reading), takeDecision(policies.current(), { ...run, principal: by }).obligations];
    });
    return strictestObligations([...asked, { maskColumns: [], detectors: everyDetector, rowCap: 0 }]);
  }

  /** A plan is asked for outside of any session: what its reason and an open grant say is all there is. */
  async function sessionOf({ sessionId, plan, requestedBy, resource }: ApprovalView): Promise<RequestersSession> {
    const recorded = plan === undefined ? await readRequestersSession(ledger, sessionId) : undefined;
    if (recorded !== undefined) return recorded;
    if (plan === undefined) throw new SallyportError("session.not_found", "The session that asked is not in the record.");
    const granted = grantedBy(live.grants.openFor(requestedBy, resource, clock.now()));
    return { parameters: {}, clientAddress: "", granted, purpose: { reason: plan.reason, ticket: "" } };
  }

  async function check(stream: string, command: approval.ApprovalCommand): Promise<void> {
    const { state } = await load(ledger, approval, stream);
    approval.decide(command, state, clock.now().toISOString());
  }

  return {
    async preview(approvalId, by, kind, digest, context) {
      const view = await approvals.load(approvalId);
      if (view === undefined) throw new SallyportError("approval.not_found", "No such approval.");
      const { command, requestedBy } = view;
      const held = { command, ...(view.plan === undefined ? {} : { plan: view.plan.commands }) };
      const stream = approvalStream(approvalId);
      const previewId = randomUUID();
      const intent = (): approval.ApprovalCommand => ({
        type: "RequestPreview",
        previewId,
        kind,
        digest,
        by: decidedBy(by, context),
        decision: takeDecision(policies.current(), {
          principal: by,
          resource: resources.find(view.resource),
          action: "approve",
          facts: command.facts,
          circumstances: { time: clock.now() },
        }),
      });
      // Who may not is told so before anything else.
      await check(stream, intent());

      return queue.run(view.resource, async () => {
        const resource = resources.find(view.resource);
        if (resource === undefined) throw new SallyportError("resource.not_found", "The resource is not served any more.", { resource: view.resource });
        const session = await sessionOf(view);
        const obligations = obligationsFor(view, by, session);
        // Long texts are in the recording of the session that asked.
        const what = { ...held, command: await wholeCommand(ledger, view.sessionId, command, MAX_PREVIEWED_BYTES) };
        previewer.require({ ...what, requestedBy, resource, kind });
        await execute({ decider: approval, stream, command: intent(), context });
        const record = (outcome: Extract<approval.ApprovalCommand, { type: "RecordPreview" }>["outcome"]): Promise<unknown> =>
          execute({ decider: approval, stream, command: { type: "RecordPreview", outcome }, context: systemContext(nodeId, context.correlationId) });
        try {
          const sight = await previewer.look({ previewId, ...what, requestedBy, resource, parameters: session.parameters, obligations, kind });
          const previewDigest = digestOf(sight);
          await record({ type: "ApprovalPreviewed", data: { approvalId, previewId, ...recorded(sight), previewDigest } });
          return { ...sight, previewId, previewDigest };
        } catch (error) {
          const { code, message } = SallyportError.from(error);
          await record({ type: "ApprovalPreviewFailed", data: { approvalId, previewId, code, message: message.slice(0, MAX_RECORDED_MESSAGE_LENGTH) } }).catch(
            (failure: unknown) => log.warn({ err: failure, approvalId, previewId }, "the outcome of a preview could not be recorded"),
          );
          throw error;
        }
      });
    },
  };
}

const recorded = ({ plan, dryRun }: PreviewResult): Pick<Previewed, "plan" | "dryRun"> => ({
  plan: plan.slice(0, MAX_RECORDED_PLAN_LENGTH),
  ...(dryRun === undefined ? {} : { dryRun: { rows: dryRun.rows, before: dryRun.before.length, after: dryRun.after.length } }),
});

/** Over the JSON of all that is shown, its members in this order. */
function digestOf({ plan, dryRun }: PreviewResult): string {
  const shown = dryRun === undefined ? [plan] : [plan, dryRun.rows, dryRun.columns, dryRun.before, dryRun.after, dryRun.notes];
  return createHash("sha256").update(JSON.stringify(shown)).digest("hex");
}
