import type { ApprovalServiceServer, ReadCommandResponse } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { SallyportError } from "@sallyport/proto/errors";
import type { Approvals, ApprovalView } from "../application/approval-ports.ts";
import { type CommandPiece, isWhole } from "../application/command-text.ts";
import type { RecordedResources } from "../application/recorded-resources.ts";
import type { Previews } from "../application/preview-ports.ts";
import { MAX_PROPOSED_LENGTH, type Proposed } from "../domain/approval/approval.decider.ts";
import { requireStatement } from "../domain/names.ts";
import type { OwnAction, Principal } from "../domain/decision.ts";
import { listApprovals, MAX_LISTED, OneAtATime, type Visibility } from "./approval-listing.ts";
import { type ApiContext, streaming, unary } from "./unary.ts";
import { approvalView, endedView, previewView } from "./views.ts";

/** Facts and digest of a text, as if `requester` sent it. */
export type InspectProposal = (statement: string, bound: { readonly resource: string; readonly requester: string }) => Promise<Proposed>;

/** The same of each statement of a script. */
export type InspectPlan = (
  text: string,
  bound: { readonly resource: string; readonly requester: string },
) => Promise<{ readonly commands: readonly Proposed[]; readonly digest: string }>;

/** Of an id: fewer are a slip of the hand. */
const MIN_ID_PREFIX = 4;

export function approvalService(
  api: ApiContext,
  deps: {
    readonly approvals: Approvals;
    readonly resources: RecordedResources;
    readonly inspect: InspectProposal;
    readonly inspectPlan: InspectPlan;
    readonly previews: Previews;
    readonly readCommand: (approval: ApprovalView) => AsyncIterable<CommandPiece>;
  },
): ApprovalServiceServer {
  const { approvals, resources, inspect, inspectPlan, previews, readCommand } = deps;
  const may = (principal: Principal, action: OwnAction, { resource }: ApprovalView): boolean =>
    api.authority.may({ principal, action, area: "approvals", resource: resources.of(resource) });
  /** Statements may tell much: they are for whoever asked, whoever may decide, and auditors. */
  function visibilityOf(principal: Principal): Visibility {
    const replays = new Map<string, boolean>();
    const mayReplay = (approval: ApprovalView): boolean => {
      const known = replays.get(approval.resource) ?? may(principal, "replay", approval);
      replays.set(approval.resource, known);
      return known;
    };
    return {
      plainly: (approval) =>
        approval.requestedBy === principal.id ||
        // Whoever may refuse must see what.
        approval.denyBy.some((group) => principal.groups.includes(group)) ||
        mayReplay(approval),
      byPolicy: (approval) => approvals.mayDecide(approval, principal),
    };
  }
  const maySee = (principal: Principal, approval: ApprovalView): boolean => {
    const { plainly, byPolicy } = visibilityOf(principal);
    return plainly(approval) || byPolicy(approval);
  };
  /** Ids are ours and random, so that few begin alike. */
  function like(idOrPrefix: string): readonly ApprovalView[] {
    const whole = approvals.find(idOrPrefix);
    if (whole !== undefined) return [whole];
    return idOrPrefix.length < MIN_ID_PREFIX ? [] : approvals.list().filter(({ id }) => id.startsWith(idOrPrefix));
  }
  const listings = new OneAtATime();
  return {
    listApprovals: unary(api, ({ pendingOnly, limit }, { principal }) =>
      listings.run(principal.id, () => {
        const wanted = approvals.list().filter(({ state }) => !pendingOnly || state === "pending");
        return listApprovals(wanted, visibilityOf(principal), Math.min(limit || MAX_LISTED, MAX_LISTED));
      }),
    ),
    getApproval: unary(api, async ({ approvalId }, { principal }) => {
      const [known, another] = like(approvalId).filter((approval) => maySee(principal, approval));
      // Memory lets go of old ones. This fails where it is there, and this release cannot read it.
      const found = known ?? (await approvals.load(approvalId));
      if (found === undefined || !maySee(principal, found)) throw new SallyportError("approval.not_found", `There is no approval ${approvalId}.`);
      if (another !== undefined) throw new SallyportError("input.invalid", `More than one approval begins with ${approvalId}.`, { field: "approvalId" });
      return { approval: approvalView(found) };
    }),
    readCommand: streaming(api, async function* ({ approvalId }, { principal }): AsyncGenerator<ReadCommandResponse> {
      const asked = await approvals.load(approvalId);
      if (asked === undefined || !maySee(principal, asked)) throw new SallyportError("approval.not_found", `There is no approval ${approvalId}.`);
      for await (const { part, bytes } of readCommand(asked)) yield { part: part === "statement" ? 0 : part + 1, bytes };
    }),
    approve: unary(api, async ({ approvalId, comment, digest, forSeconds, wholeSession }, { principal, context }) => {
      const shown = digest === "" ? undefined : digest;
      const asked = approvals.find(approvalId);
      // Whoever has not read all of it does not know the digest; who may not decide is told that, and nothing of the text.
      if (asked !== undefined && shown === undefined && !isWhole(asked.command) && maySee(principal, asked))
        throw new SallyportError("input.invalid", "This command is long: read all of it, and approve it with its digest.", { field: "digest" });
      // A session without a time is refused by the decider, in words.
      const window = forSeconds === 0 && !wholeSession ? undefined : { seconds: forSeconds, ...(wholeSession ? { scope: "session" as const } : {}) };
      return { approval: approvalView(await approvals.approve(approvalId, principal, comment, shown, context, window)) };
    }),
    requestPlan: unary(api, async ({ resource, text, forSeconds, reason }, { principal, context }) => {
      const { commands, digest } = await inspectPlan(text, { resource, requester: principal.id });
      return { approval: approvalView(await approvals.requestPlan({ resource, commands, digest, forSeconds, reason }, principal, context)) };
    }),
    revokeApproval: unary(api, async ({ approvalId, reason }, { principal, context }) => {
      const approval = await approvals.load(approvalId);
      const isOwn = approval !== undefined && (approval.requestedBy === principal.id || may(principal, "administer", approval));
      const seen = approval !== undefined && maySee(principal, approval);
      // Whoever administers them may take one back without reading it.
      if (approval === undefined || !(isOwn || seen))
        throw new SallyportError("approval.not_found", `There is no approval ${approvalId} that you may see or revoke.`);
      const by = isOwn ? principal : approvals.inWhoseName(approval, principal);
      if (approval.plan !== undefined && approval.state === "pending" && approval.requestedBy === principal.id) {
        await approvals.withdraw(approvalId, "cancelled", context);
        return { approval: approvalView((await approvals.load(approvalId)) ?? approval) };
      }
      if (by === undefined) throw new SallyportError("auth.forbidden", "Only its requester, administrators, and whoever may decide on it, revoke it.");
      const revoked = await approvals.revoke(approvalId, by, reason, context);
      return { approval: seen ? approvalView(revoked) : endedView(revoked) };
    }),
    proposeCounter: unary(api, async ({ approvalId, statement, comment, digest }, { principal, context }) => {
      const asked = approvals.find(approvalId);
      if (asked === undefined || !maySee(principal, asked)) throw new SallyportError("approval.not_found", `There is no approval ${approvalId}.`);
      requireStatement("statement", statement, MAX_PROPOSED_LENGTH);
      const proposed = await inspect(statement, { resource: asked.resource, requester: asked.requestedBy });
      return { approval: approvalView(await approvals.propose(approvalId, principal, proposed, comment, digest === "" ? undefined : digest, context)) };
    }),
    acceptCounter: unary(api, async ({ approvalId, digest }, { principal, context }) => ({
      approval: approvalView(await approvals.accept(approvalId, principal, digest, context)),
    })),
    preview: unary(api, async ({ approvalId, digest, dryRun }, { principal, context }) => {
      const asked = approvals.find(approvalId);
      if (asked === undefined || !maySee(principal, asked)) throw new SallyportError("approval.not_found", `There is no approval ${approvalId}.`);
      return previewView(await previews.preview(approvalId, principal, dryRun ? "dry_run" : "plan", digest === "" ? undefined : digest, context));
    }),
    deny: unary(api, async ({ approvalId, comment }, { principal, context }) => ({
      approval: approvalView(await approvals.deny(approvalId, principal, comment, context)),
    })),
  };
}
