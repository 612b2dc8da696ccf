import type { ApprovalView } from "../../application/approval-ports.ts";
import { isNoMoreThan } from "../../domain/approval/no-more-than.ts";
import { type CommandFacts, sameFacts } from "../../domain/facts.ts";
import type { RecordedCommand } from "../../domain/session/session.events.ts";
import type { Executable } from "./command-record.ts";
import type { DecidedCommand } from "./decided-command.ts";
import { plannedDigest } from "./plan-text.ts";
import type { SessionSettings } from "./session-settings.ts";
import { sameButForConstants, writtenWith } from "./same-but-for-constants.ts";

/** An approval for a while that covers a command, and what it is to be used with. */
export interface StandingApproval {
  readonly approvalId: string;
  readonly digest: string;
  readonly facts: CommandFacts;
}

/** Of what a requester was given for a while: the first for the very same command, for what does no more in this session, or for a plan that it is next in. */
export function standingApproval(
  given: readonly ApprovalView[],
  { executable, command, decision, unclear = false }: DecidedCommand,
  { sessionId, resource, requester }: { readonly sessionId: string; readonly resource: string; readonly requester: string },
  settings: Pick<SessionSettings, "current" | "setBy">,
  now: Date,
): StandingApproval | undefined {
  if (given.length === 0 || usesCursor(executable.recordable)) return undefined;
  const set = settings.current(unclear)?.digest;
  const planned = plannedDigest(executable, { resource, requester });
  for (const { id, until, policyVersion, rules, command: asked, plan, uses, scope, sessionId: askedIn, settings: then } of given) {
    if (until === undefined || until <= now || policyVersion !== decision.policyVersion) continue;
    const next = plan === undefined ? { digest: asked.digest, facts: asked.facts, rules } : plan.commands[uses];
    if (next === undefined || next.rules.join() !== decision.rules.join()) continue;
    // A plan was put before people by its text; what the target's catalogue says of it by now shows in the rules.
    const [digest, facts] = plan === undefined ? [command.digest, command.facts] : [planned, executable.ofText ?? command.facts];
    if (digest === undefined) continue;
    const ranBefore = plan?.commands.slice(0, uses).map((each) => each.digest);
    if (ranBefore === undefined ? set !== then?.digest : unclear || !settings.setBy(ranBefore)) continue;
    const covered =
      scope === "session"
        ? askedIn === sessionId && isNoMoreThan(next.facts, facts) && isLike(asked, executable)
        : digest === next.digest && sameFacts(next.facts, facts);
    if (covered) return { approvalId: id, digest, facts };
  }
  return undefined;
}

/** Which row that is, neither the text nor its facts say: a cursor of that name may be another by now. */
const usesCursor = (statement: string): boolean =>
  writtenWith(statement).some(({ text, kind }, index, all) => kind === "word" && text === "of" && all[index - 1]?.text === "current");

/** What changes anything is the same statement but for its values; that of a long one is not at hand. */
const isLike = ({ statement }: RecordedCommand, { facts, recordable }: Executable): boolean =>
  facts.riskClass === "read" || (statement !== undefined && sameButForConstants(statement, recordable));
