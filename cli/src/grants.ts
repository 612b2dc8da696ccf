import type { Grant } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import type { Command } from "commander";
import { byPrefix, isWholeId } from "./by-prefix.ts";
import { bold, type Io, toJson, tone } from "./io.ts";
import { tellTerms } from "./steps.ts";
import { instant, printable, writeTable } from "./table.ts";
import { runVerb, type Verb } from "./verb.ts";

const GRANT = "the grant, or the first characters of its id";

export function grantsVerb(program: Command): void {
  const grants = program.command("grants").description("see and decide requests for access, and what is open for a while");
  grants
    .command("list", { isDefault: true })
    .description("what waits and what is open, newest first: your own, and what you may decide on")
    .option("--all", "settled ones too")
    .action(({ all }: { all?: boolean }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { grants: found } = await api().grants.listGrants({ openOnly: all !== true, limit: 100 });
        if (io.json) return io.out(toJson(found));
        if (found.length === 0) return io.out("Nothing waits, and nothing is open.");
        const rows = found.map((grant) => [grant.id, grant.state, grant.requestedBy, grant.resource, timeOf(grant), grant.reason, reviewOf(grant)]);
        writeTable(io, ["GRANT", "STATE", "WHO", "RESOURCE", "TIME", "REASON", "REVIEW"], rows);
      }),
    );
  grants
    .command("show")
    .argument("<id>", GRANT)
    .description("who asks for what, why, and who has agreed")
    .action((id: string, _options, command: Command) =>
      runVerb(command, async (verb) => {
        show(verb.io, await findGrant(verb, id));
      }),
    );
  for (const decision of ["approve", "deny"] as const) {
    grants
      .command(decision)
      .argument("<id>", GRANT)
      .option("--comment <text>", "why; the requester sees it", "")
      .description(decision === "approve" ? "agree to it; its time starts when enough have" : "refuse it")
      .action((id: string, { comment }: { comment: string }, command: Command) =>
        runVerb(command, async (verb) => {
          const { grants: service } = verb.api();
          const { id: grantId } = await findGrant(verb, id);
          const { grant } = decision === "approve" ? await service.approveAccess({ grantId, comment }) : await service.denyAccess({ grantId, comment });
          tellGrant(verb.io, grant);
        }),
      );
  }
  grants
    .command("withdraw")
    .argument("<id>", GRANT)
    .description("take back your own request")
    .action((id: string, _options, command: Command) =>
      runVerb(command, async (verb) => {
        const { id: grantId } = await findGrant(verb, id);
        const { grant } = await verb.api().grants.withdrawAccessRequest({ grantId });
        tellGrant(verb.io, grant);
      }),
    );
  grants
    .command("revoke")
    .argument("<id>", GRANT)
    .option("--reason <text>", "why; the record has it", "")
    .description("end it now, with every session that uses it")
    .action((id: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async (verb) => {
        // By its whole id also for who may end it and not look at it.
        const grantId = isWholeId(id) ? id : (await findGrant(verb, id)).id;
        const { grant } = await verb.api().grants.revokeGrant({ grantId, reason });
        tellGrant(verb.io, grant);
      }),
    );
}

export async function findGrant({ api }: Verb, id: string): Promise<Grant> {
  const client = api();
  if (isWholeId(id)) {
    const { grant } = await client.grants.getGrant({ grantId: id });
    if (grant !== undefined) return grant;
  }
  const { grants } = await client.grants.listGrants({ openOnly: false, limit: 0 });
  return byPrefix("grant", grants, id);
}

/** What it is now and what comes next, in one line. */
export function tellGrant(io: Io, grant: Grant | undefined): void {
  if (io.json || grant === undefined) return io.out(toJson(grant));
  const { id, state, resource, approvers, quorum, endsAt, decidedBy, comment } = grant;
  const said = `${decidedBy === "" ? "" : ` by ${decidedBy}`}${comment === "" ? "" : `: ${printable(comment)}`}`;
  const next: Readonly<Record<string, string>> = {
    pending: ` (${approvers.length} of ${quorum}); somebody else: sallyport grants approve ${id.slice(0, 8)}`,
    open: ` until ${instant(endsAt)}; connect to "${resource}" as ever`,
    denied: said,
    revoked: said,
    lapsed: "; nobody decided in time, ask again",
  };
  io.out(`${bold(id)}: ${state === "open" ? tone("green", state) : state}${next[state] ?? ""}`);
}

/** Of break-glass, so that it is seen at once. */
const reviewOf = ({ emergency, verdict, escalations, reviewBy }: Grant): string =>
  !emergency ? "" : verdict !== "" ? verdict : `${escalations > 0 ? "OVERDUE since" : "by"} ${instant(reviewBy)}`;

/** How long it would last, or until when it does. */
const timeOf = ({ state, durationSeconds, endsAt }: Grant): string =>
  state === "open" && endsAt !== undefined ? `until ${endsAt.toISOString()}` : durationOf(durationSeconds);

export const durationOf = (seconds: number): string =>
  seconds % 3_600 === 0 ? `${seconds / 3_600}h` : seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;

function show(io: Io, grant: Grant): void {
  if (io.json) return io.out(toJson(grant));
  const line = (label: string, text: string): void => io.out(`${bold(label.padEnd(10))} ${text}`);
  line("Grant", `${grant.id}  ${grant.state === "pending" ? tone("yellow", grant.state) : grant.state}`);
  line("Requester", `${grant.requestedBy}, ${instant(grant.requestedAt)}`);
  line("Access", `${grant.resource} for ${durationOf(grant.durationSeconds)} (rule ${grant.rule}, policy ${grant.policyVersion})`);
  line("Reason", `${printable(grant.reason)}${grant.ticket === "" ? "" : ` (${printable(grant.ticket)})`}`);
  const agreed = grant.approvers.length > 0 ? `: ${grant.approvers.join(", ")}` : "";
  line("Needs", `${grant.approvers.length} of ${grant.quorum}${agreed}; the request expires ${instant(grant.expiresAt)}`);
  tellTerms(io, grant);
  if (grant.requestEscalatesTo !== "") line("Escalates", `to ${grant.requestEscalatesTo} at ${instant(grant.requestEscalatesAt)}`);
  if (grant.startsAt !== undefined)
    line("Open", `${grant.startsAt.toISOString()} to ${instant(grant.endsAt)}, used by ${grant.uses} ${grant.uses === 1 ? "session" : "sessions"}`);
  if (grant.emergency) {
    const said = grant.reviewComment === "" ? "" : `: ${printable(grant.reviewComment)}`;
    const due = `${grant.escalations > 0 ? tone("red", "overdue since") : "due by"} ${instant(grant.reviewBy)}`;
    line("Emergency", `opened by break-glass; review ${grant.verdict === "" ? due : `by ${grant.reviewedBy}: ${grant.verdict}${said}`}`);
  }
  if (grant.decidedBy !== "") line("Decided", `by ${grant.decidedBy}${grant.comment === "" ? "" : `: ${printable(grant.comment)}`}`);
}
