import type { Approval } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { acceptCommand, proposalVerbs, SHOWN_CHARACTERS } from "./approval-proposals.ts";
import { previewLine, previewVerb } from "./approval-previews.ts";
import { isWholeId } from "./by-prefix.ts";
import { Misuse } from "./exit-status.ts";
import { SallyportError } from "@sallyport/proto/errors";
import { withWholeCommand } from "./approval-text.ts";
import { findApproval as find } from "./find-approval.ts";
import { bold, dim, type Io, toJson, tone } from "./io.ts";
import { tellTerms } from "./steps.ts";
import { instant, printable, printableLines, writeTable } from "./table.ts";
import { nonBlank, parseDuration, runVerb } from "./verb.ts";

export function approvalsVerb(program: Command): void {
  const approvals = program.command("approvals").description("see and decide what waits for a person");
  approvals
    .command("list", { isDefault: true })
    .description("what waits, newest first")
    .option("--all", "settled ones too")
    .action(({ all }: { all?: boolean }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { approvals: found, more } = await api().approvals.listApprovals({ pendingOnly: all !== true, limit: 100 });
        if (io.json) return io.out(toJson(found));
        if (found.length === 0) return io.out("Nothing waits.");
        const rows = found.map(({ id, state, requestedBy, resource, riskClass, statement, withheld }) => [
          id,
          state,
          requestedBy,
          resource,
          riskClass,
          withheld === "" ? statement : `(withheld: ${withheld}) ${statement}`,
        ]);
        writeTable(io, ["APPROVAL", "STATE", "BY", "RESOURCE", "RISK", "STATEMENT"], rows);
        if (more) io.out(dim("There may be older ones."));
      }),
    );
  approvals
    .command("show")
    .argument("<id>", "the approval, or the first characters of its id")
    .option("--full", "all of a command that is too long to be shown otherwise")
    .description("exactly what would run, as whom, where")
    .action((id: string, { full = false }: { full?: boolean }, command: Command) =>
      runVerb(command, async (verb) => {
        const approval = await find(verb, id);
        show(verb.io, full ? await withWholeCommand(verb, approval) : approval);
      }),
    );
  proposalVerbs(approvals);
  previewVerb(approvals);
  approvals
    .command("revoke")
    .argument("<id>", "the approval, or the first characters of its id")
    .requiredOption("--reason <text>", "why", nonBlank)
    .description("take back what was granted for a while")
    .action((id: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async (verb) => {
        const { approvals: service } = verb.api();
        // By its whole id also for who may take it back and not look at it.
        const approvalId = isWholeId(id) ? id : (await find(verb, id)).id;
        const { approval } = await service.revokeApproval({ approvalId, reason });
        verb.io.out(verb.io.json ? toJson(approval) : `${approvalId}: ${approval?.state ?? ""}`);
      }),
    );
  for (const decision of ["approve", "deny"] as const) {
    const deciding = approvals.command(decision);
    if (decision === "approve")
      deciding
        .option("--for <duration>", "the same command of the same person for so long, rather than once: 15m, 8h at most")
        .option("--session", "with --for: also what does no more than this command (same verbs, tables, columns, dangers), in the session that asked");
    deciding
      .argument("<id>", "the approval, or the first characters of its id")
      .argument("[digest]", `of a long command: the first ${SHOWN_CHARACTERS} characters of the digest that \`approvals show --full\` ends with`)
      .option("--comment <text>", "why; the requester sees it", "")
      .description(decision === "approve" ? "let exactly this command run once" : "refuse it; the client gets an error and keeps its connection")
      .action(
        (
          id: string,
          shown: string | undefined,
          { comment, for: duration, session = false }: { comment: string; for?: string; session?: boolean },
          command: Command,
        ) =>
          runVerb(command, async (verb) => {
            if (session && duration === undefined) throw new Misuse("--session is for a while: say for how long with --for, such as --for 15m.");
            const { approvals: service } = verb.api();
            // The digest goes back with the decision, so that it is for what was shown and nothing else.
            const found = await find(verb, id);
            const { id: approvalId, digest } = found;
            if (decision === "approve" || shown !== undefined) requireRead(found, shown);
            const { approval } =
              decision === "approve"
                ? await service.approve({
                    approvalId,
                    comment,
                    digest,
                    forSeconds: duration === undefined ? 0 : parseDuration(duration),
                    wholeSession: session,
                  })
                : await service.deny({ approvalId, comment });
            if (verb.io.json) verb.io.out(toJson(approval));
            else
              verb.io.out(
                `${approvalId}: ${approval?.state ?? ""}${approval?.state === "pending" ? ` (${approval.approvers.length} of ${approval.quorum})` : ""}`,
              );
          }),
      );
  }
}

/** Of what `show` does not print without being asked, whoever decides gives the digest that stands below all of it. */
function requireRead({ id, digest, whole }: Approval, shown: string | undefined): void {
  const how = `sallyport approvals show ${id.slice(0, 8)} --full`;
  if (shown === undefined) {
    if (whole) return;
    throw new Misuse(`This command is too long for \`approvals show\`. Read all of it, and give the digest at its end as well: ${how}`);
  }
  if (shown.length < SHOWN_CHARACTERS) throw new Misuse(`A digest has ${SHOWN_CHARACTERS} characters or more: ${how}`);
  if (!digest.startsWith(shown)) throw new SallyportError("approval.drift", `That is the digest of something else. Read it again: ${how}`);
}

function show(io: Io, approval: Approval): void {
  if (io.json) return io.out(toJson(approval));
  const {
    id,
    state,
    requestedBy,
    resource,
    riskClass,
    rule,
    policyVersion,
    statement,
    parameters,
    digest,
    quorum,
    approvers,
    requestedAt,
    expiresAt,
    decidedBy,
    comment,
    steps,
    denyBy,
    approverHours,
    escalatesTo,
    escalatesAt,
    counter,
    until,
    wholeSession,
    uses,
    plan,
    reason,
    previews,
    withheld,
    whole,
    sessionSettings,
  } = approval;
  io.out(`${bold("Approval")}   ${id}  ${state === "pending" ? tone("yellow", state) : state}`);
  io.out(`${bold("Requester")}  ${requestedBy} on ${resource}, ${instant(requestedAt)}`);
  if (until !== undefined) io.out(`${bold("For")}        a while: until ${until.toISOString()}, used ${uses} ${uses === 1 ? "time" : "times"}`);
  if (wholeSession) io.out(`${bold("Covers")}     what does no more than it, in the session that asked`);
  io.out(`${bold("Risk")}       ${riskClass} (rule ${rule}, policy ${policyVersion})`);
  showFacts(io, approval);
  io.out(`${bold("Needs")}      ${approvers.length} of ${quorum}${approvers.length > 0 ? `: ${approvers.join(", ")}` : ""}; expires ${instant(expiresAt)}`);
  tellTerms(io, { steps, denyBy, approverHours });
  if (counter !== undefined) {
    io.out(`${bold("Proposed")}   by ${counter.by}${counter.comment === "" ? "" : `: ${printable(counter.comment)}`}`);
    for (const line of printableLines(counter.statement)) io.out(`  ${line}`);
    if (state === "pending") io.out(`  ${dim(`${requestedBy} takes it with: ${acceptCommand(approval, counter)}`)}`);
  }
  if (escalatesTo !== "") io.out(`${bold("Escalates")}  to ${escalatesTo} at ${instant(escalatesAt)}`);
  if (decidedBy !== "") io.out(`${bold("Decided")}    by ${decidedBy}${comment === "" ? "" : `: ${printable(comment)}`}`);
  for (const preview of previews) io.out(`${bold("Preview")}    ${previewLine(preview)}`);
  if (reason !== "") io.out(`${bold("Reason")}     ${printable(reason)}`);
  for (const setting of sessionSettings) io.out(`${bold("Set")}        ${printable(setting)}`);
  if (withheld !== "")
    io.out(`${tone("red", "Withheld")}   ${withheld}, marked in the text: it looks like a secret. It is part of what you decide on, and nobody sees it.`);
  io.out(bold(plan.length === 0 ? "Statement" : "Plan, each once and in this order"));
  if (plan.length === 0) for (const line of printableLines(statement)) io.out(`  ${line}`);
  for (const [index, command] of plan.entries()) {
    io.out(`  ${index + 1}. ${command.riskClass}${index < uses ? ", has run" : ""}`);
    for (const line of printableLines(command.statement)) io.out(`     ${line}`);
  }
  for (const [index, parameter] of parameters.entries()) io.out(`  $${index + 1} = ${printable(parameter)}`);
  if (whole) io.out(`${bold("Digest")}     ${digest}`);
  else io.out(tone("red", `Not all of it is here. All, and the digest to approve it with: sallyport approvals show ${id.slice(0, 8)} --full`));
}

/** The gateway's word for what CASCADE reaches. */
const spokenRelation = (name: string): string => (name === "*.*" ? "whatever depends on it" : name);

/** What the gateway's parser found: there also where the text is too long, or too artful, to be read at a glance. */
function showFacts(io: Io, { verbs, relationsRead, relationsWritten, functions, hazards, unclassifiedReason }: Approval): void {
  const told = (name: string, values: readonly string[]): void => {
    if (values.length > 0) io.out(`${bold(name.padEnd(10))} ${values.map(printable).join(", ")}`);
  };
  told("Does", verbs);
  told("Reads", relationsRead);
  told("Writes", relationsWritten.map(spokenRelation));
  told("Calls", functions);
  told("Hazards", hazards);
  if (unclassifiedReason !== "") io.out(`${bold("Unknown")}    it ${printable(unclassifiedReason)}`);
}
