import { SallyportError } from "@sallyport/proto/errors";
import type { Command } from "commander";
import { findApproval } from "./find-approval.ts";
import { toJson } from "./io.ts";
import { runVerb } from "./verb.ts";

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
        const { approval } = await verb.api().call(service.proposeCounter.bind(service), { approvalId, statement, comment, digest });
        verb.io.out(
          verb.io.json ? toJson(approval) : `${approvalId}: proposed; ${requestedBy} takes it with: sallyport approvals accept ${approvalId.slice(0, 8)}`,
        );
      }),
    );
  approvals
    .command("accept")
    .argument("<id>", "your approval, or the first characters of its id")
    .description("run what an approver proposed, in place of your own command")
    .action((id: string, _options, command: Command) =>
      runVerb(command, async (verb) => {
        const { approvals: service } = verb.api();
        const { id: approvalId, counter } = await findApproval(verb, id);
        if (counter === undefined) throw new SallyportError("input.invalid", "Nobody has proposed anything else.");
        // The digest goes back, so that what is taken is what was shown here.
        if (!verb.io.json) verb.io.out(counter.statement);
        const { approval } = await verb.api().call(service.acceptCounter.bind(service), { approvalId, digest: counter.digest });
        verb.io.out(verb.io.json ? toJson(approval) : `${approvalId}: ${approval?.state ?? ""}`);
      }),
    );
}
