import { asText, inLine } from "@sallyport/proto/disruptive";
import { encodeNoticeResponse } from "@sallyport/proto/wire/postgres/backend";
import { describeSteps } from "../../domain/approval/terms.ts";
import type { CounterProposal } from "../../application/approval-ports.ts";
import type { RecordedCommand } from "../../domain/session/session.events.ts";
import { withheldOf } from "../../domain/session/withheld.ts";
import type { Decision } from "../../domain/decision.ts";
import { shownDigest } from "../../domain/shown-digest.ts";

/** What the client of a held command reads while it waits: for whom (groups, never a list of people), until when, and what to do. */
export function heldNotice(approvalId: string, decision: Decision, command: RecordedCommand, expiresAt: Date, inTransaction: boolean): Buffer {
  const { quorum, terms, rules, policyVersion } = decision;
  const named = terms?.steps.some(({ groups }) => groups.length > 0) === true;
  const people = named ? describeSteps(terms.steps) : quorum === 1 ? "one other person" : `${quorum} other people`;
  const one = quorum === 1;
  const hours = (terms?.approverHours ?? []).map((each) => `; approvals count: ${each}`).join("");
  const escalation = terms?.escalation === undefined ? "" : `; after ${terms.escalation.afterSeconds} s also: ${terms.escalation.to}`;
  const { riskClass, unclassifiedReason } = command.facts;
  const withheld = withheldOf(command);
  return encodeNoticeResponse({
    severity: "NOTICE",
    sqlstate: "01000",
    message: `This command is held until ${people} approve${one ? "s" : ""} it. Approval ${approvalId}`,
    detail: `code: approval.pending; rule: ${rules.join(", ")}; policy: ${policyVersion}; risk: ${riskClass}${unclassifiedReason === "" ? "" : ` (it ${asText(unclassifiedReason)})`}; expires: ${expiresAt.toISOString()}${inTransaction ? " (sooner, as a transaction is open)" : ""}${hours}${escalation}${withheld === undefined ? "" : `; not shown to them, as it looks like a secret: ${withheld}`}`,
    hint: `They run: sallyport approvals approve ${approvalId}    To withdraw it, cancel (Ctrl-C).`,
  });
}

/** An approver would agree to another text. */
export const counterNotice = (approvalId: string, { by, comment, statement, digest }: CounterProposal): Buffer =>
  encodeNoticeResponse({
    severity: "NOTICE",
    sqlstate: "01000",
    message: `${by} proposes instead: ${asText(statement)}`,
    detail: `code: approval.pending; approval: ${approvalId}${comment === "" ? "" : `; comment: ${inLine(comment)}`}`,
    hint: `To run that in place of your command: sallyport approvals accept ${approvalId} ${shownDigest(digest)}    Or go on waiting, or cancel (Ctrl-C).`,
  });
