import type { ExplainDecisionResponse, ExplainedDecision, ExplainedVote } from "@sallyport/proto/gen/sallyport/api/v1/history";
import type { Command } from "commander";
import { exitStatus, Misuse } from "./exit-status.ts";
import { bold, type Io, toJson, tone } from "./io.ts";
import { replayLine } from "./replay.ts";
import { find } from "./sessions.ts";
import { instant, printable } from "./table.ts";
import { runVerb } from "./verb.ts";

const about = `
The decision is taken again now: under the policy version of the record, on the recorded facts, with the identity and the resource
as they were. Exit status 0: to the same answer, as must be. 1: the answer differs, and what differs is told.

Examples:
  sallyport explain last 3          the third command of your last session
  sallyport explain 4f2a            why the session that begins so was opened, or refused`;

export function explainVerb(program: Command): void {
  program
    .command("explain")
    .argument("<session>", "the session, the first characters of its id, or `last`")
    .argument("[command]", "the number of the command in it, as `sessions replay` and `search` show it; without, the session's opening")
    .description("why something was allowed, refused or held, and whether that holds; for auditors")
    .addHelpText("after", about)
    .action((session: string, number: string | undefined, _options, command: Command) =>
      runVerb(command, async (verb) => {
        if (number !== undefined && !/^[1-9]\d{0,8}$/.test(number)) throw new Misuse("The command is a number from 1.");
        const { id: sessionId } = await find(verb, session);
        const explained = await verb.api().history.explainDecision({ sessionId, commandId: Number(number ?? 0) });
        if (verb.io.json) verb.io.out(toJson({ ...explained, facts: explained.factsJson === "" ? undefined : (JSON.parse(explained.factsJson) as unknown) }));
        else show(verb.io, explained);
        return explained.verdict === "different" ? exitStatus.refused : exitStatus.done;
      }),
    );
}

function show(
  io: Io,
  {
    verdict,
    sessionId,
    commandId,
    identity,
    resource,
    statement,
    factsJson,
    decision,
    approval,
    approvalRemoved,
    votes,
    events,
    grant,
    grantDecision,
    grantVotes,
    continued,
  }: ExplainDecisionResponse,
): void {
  const line = (label: string, text: string): void => io.out(`${bold(label.padEnd(10))} ${text}`);
  line("Session", `${sessionId}${commandId === 0 ? "" : `, command ${commandId}`}`);
  line("Who", `${identity?.id ?? ""} (${identity?.kind ?? ""}${identity?.disabled === true ? ", disabled" : ""}; ${identity?.groups.join(", ") ?? ""})`);
  line(
    "Where",
    `${resource?.name ?? ""} (${[resource?.protocol, ...Object.entries(resource?.labels ?? {}).map(([key, value]) => `${key}=${value}`)].join(", ")})`,
  );
  if (statement !== "") line("Statement", printable(statement));
  for (const fact of factsJson === "" ? [] : factsOf(factsJson)) line(fact[0], fact[1]);
  for (const event of events) for (const text of replayLine(event)) io.out(text);
  if (decision === undefined) line("Decision", "Policy was not asked.");
  else showDecision(io, line, decision);
  if (approval !== undefined)
    line("Approval", `${approval.id}: ${approval.state}; needs ${approval.quorum}, of ${approval.approvers.join(", ") || "nobody so far"}`);
  if (approvalRemoved !== "") line("Approval", tone("yellow", approvalRemoved));
  showVotes(io, line, votes);
  if (grant !== undefined) {
    line("Grant", `${grant.id}: ${grant.state}; ${instant(grant.startsAt)} to ${instant(grant.endsAt)}: ${printable(grant.reason)}`);
    if (grantDecision !== undefined) showDecision(io, line, grantDecision);
    showVotes(io, line, grantVotes);
    if (continued !== undefined) {
      line("Went on", "The session began with another grant, and went on with this one.");
      showDecision(io, line, continued);
    }
  }
  if (verdict === "same") io.out(tone("green", "Taken again now: the same answer."));
  if (verdict === "different") io.out(tone("red", "TAKEN AGAIN NOW: A DIFFERENT ANSWER. The record, the policy text or this release is not what it was."));
}

function showVotes(io: Io, line: (label: string, text: string) => void, votes: readonly ExplainedVote[]): void {
  for (const { by, agreed, comment, decision: permitted } of votes) {
    line(agreed ? "Agreed" : "Refused", `${by}${comment === "" ? "" : `: ${printable(comment)}`} (may decide: ${permitted?.recordedRules.join(", ") ?? ""})`);
    if (permitted !== undefined) showDifferences(io, permitted);
  }
}

function showDecision(io: Io, line: (label: string, text: string) => void, decision: ExplainedDecision): void {
  const { recordedEffect, policyVersion, recordedRules, recordedReason, beforeChangeAt } = decision;
  line("Decision", `${recordedEffect === "" ? "" : `${recordedEffect}: `}${printable(recordedReason)}`);
  line("Rules", `${recordedRules.join(", ") || "none permits it"} @ ${policyVersion}`);
  if (beforeChangeAt !== undefined) line("Note", `Position ${beforeChangeAt} changed what it rests on just before it was recorded; it was taken before that.`);
  showDifferences(io, decision);
}

function showDifferences(io: Io, { differences }: ExplainedDecision): void {
  for (const difference of differences) io.out(tone("red", `  DIFFERS  ${printable(difference)}`));
}

function* factsOf(json: string): Generator<readonly [label: string, text: string]> {
  const facts = JSON.parse(json) as Readonly<Record<string, unknown>>;
  const list = (name: string): string => (Array.isArray(facts[name]) ? facts[name].map((each) => printable(String(each))).join(", ") : "");
  const risk = facts["riskClass"];
  yield ["Risk", `${typeof risk === "string" ? risk : ""}${list("hazards") === "" ? "" : ` (${list("hazards")})`}`];
  const named = [
    ["verbs", "verbs"],
    ["relationsRead", "reads"],
    ["relationsWritten", "writes"],
    ["functions", "calls"],
  ] as const;
  yield [
    "Facts",
    named
      .filter(([name]) => list(name) !== "")
      .map(([name, word]) => `${word} ${list(name)}`)
      .join("; "),
  ];
}
