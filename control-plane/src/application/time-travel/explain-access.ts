import { upcast } from "../../domain/catalogue.ts";
import { type GrantEvent, grantStream } from "../../domain/grant/grant.events.ts";
import { evolveGrant } from "../grant-view.ts";
import type { GrantView } from "../grant-ports.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { decideAgain, type ExplainedDecision, type ExplainedVote, type Taken } from "./decide-again.ts";
import type { PolicyVersions } from "./policy-versions.ts";

/** How the access came about that a session used. */
export interface ExplainedAccess {
  readonly view: GrantView;
  /** That it could be asked for. */
  readonly asked: ExplainedDecision;
  readonly votes: readonly ExplainedVote[];
}

export async function accessOf(
  { ledger, policies }: { readonly ledger: Ledger; readonly policies: PolicyVersions },
  grantId: string,
): Promise<ExplainedAccess | undefined> {
  let view: GrantView | undefined;
  let asked: ExplainedDecision | undefined;
  const votes: ExplainedVote[] = [];
  const again = async (taken: Taken): Promise<ExplainedDecision> => ({ taken, again: await decideAgain(ledger, policies, taken) });
  for await (const recorded of ledger.readStream(grantStream(grantId))) {
    const event = upcast(recorded) as GrantEvent;
    view = evolveGrant(view, event, recorded.metadata.at);
    if (view === undefined) continue;
    const { resource } = view;
    if (event.type === "AccessRequested") {
      const { requestedBy, decision, quorum, reason, ticket, emergency = false } = event.data;
      const action = emergency ? "break_glass" : "request";
      const effect = quorum === 0 ? "allow" : "needs_approval";
      const circumstances = { purpose: { reason, ticket } };
      asked = await again({ action, principal: requestedBy, resource, circumstances, recorded: decision, effect, terms: event.data, in: recorded });
    } else if (event.type === "AccessApproved" || event.type === "AccessDenied" || event.type === "BreakGlassReviewed") {
      const { by, comment, decision } = event.data;
      const vetoed = event.type === "AccessDenied" && event.data.vetoOf !== undefined;
      // Whoever took somebody's place was decided on as them.
      const principal = event.type === "BreakGlassReviewed" ? by : (event.data.onBehalfOf ?? by);
      const taken: Taken = { action: "approve", principal, resource, recorded: decision, effect: vetoed ? undefined : "allow", in: recorded };
      votes.push({
        by,
        comment,
        agreed: event.type === "AccessApproved" || (event.type === "BreakGlassReviewed" && event.data.verdict === "justified"),
        ...(await again(taken)),
      });
    }
  }
  return view === undefined || asked === undefined ? undefined : { view, asked, votes };
}
