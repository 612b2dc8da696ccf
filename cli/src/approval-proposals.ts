import { SallyportError } from "@sallyport/proto/errors";
import type { Approval, CounterProposal } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { Misuse } from "./exit-status.ts";
import { findApproval } from "./find-approval.ts";
import { toJson } from "./io.ts";
import { printableLines } from "./table.ts";
import { runVerb } from "./verb.ts";

/** Of a digest, as the notice of a proposal shows it. Who writes proposals cannot find another text with the same in the time that one waits. */
export const SHOWN_CHARACTERS = 16;

/** What the requester types; it names the text that was read, not whichever is the last one by then. */
export const acceptCommand = ({ id }: Approval, { digest }: CounterProposal): string =>
  `sallyport approvals accept ${id.slice(0, 8)} ${digest.slice(0, SHOWN_CHARACTERS)}`;

/** Answering a held command with another text, and taking it. */
export function proposalVerbs(approvals: Command): void {
  approvals
    .command("propose")
    .argument("<id>", "the approval, or the first characters of its id")
    .argument("<statement>", "what you would agree to instead")
    .option("--comment <text>", "why; the requester sees it", "")
    .description("answer with another text; if the requester takes it, that runs, and you have agreed to it")
    .action((id: string, statement: string, { comment }: { comment: string }, command: Command) =>
      runVerb(command, async (verb) => {
        const { approvals: service } = verb.api();
        const { id: approvalId, digest, requestedBy } = await findApproval(verb, id);
        const { approval } = await service.proposeCounter({ approvalId, statement, comment, digest });
        if (verb.io.json || approval?.counter === undefined) return verb.io.out(toJson(approval));
        verb.io.out(`${approvalId}: proposed; ${requestedBy} takes it with: ${acceptCommand(approval, approval.counter)}`);
      }),
    );
  approvals
    .command("accept")
    .argument("<id>", "your approval, or the first characters of its id")
    .argument("<digest>", `of the text that you read: the first ${SHOWN_CHARACTERS} characters of its digest, as the notice and \`approvals show\` have them`)
    .description("run what an approver proposed, in place of your own command")
    .action((id: string, shown: string, _options, command: Command) =>
      runVerb(command, async (verb) => {
        const { approvals: service } = verb.api();
        const { id: approvalId, counter } = await findApproval(verb, id);
        if (counter === undefined) throw new SallyportError("input.invalid", "Nobody has proposed anything else.");
        if (shown.length < SHOWN_CHARACTERS) throw new Misuse(`A digest has ${SHOWN_CHARACTERS} characters or more: copy it from the notice.`);
        if (!counter.digest.startsWith(shown))
          throw new SallyportError("approval.drift", `That is not what is proposed now. Read it again: sallyport approvals show ${approvalId.slice(0, 8)}`);
        if (!verb.io.json) for (const line of printableLines(counter.statement)) verb.io.out(line);
        const { approval } = await service.acceptCounter({ approvalId, digest: counter.digest });
        verb.io.out(verb.io.json ? toJson(approval) : `${approvalId}: ${approval?.state ?? ""}`);
      }),
    );
}
