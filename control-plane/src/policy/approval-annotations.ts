import { areHours } from "../domain/approval/approver-hours.ts";
import { type ApprovalStep, type Escalation, peopleIn, type RuleTerms } from "../domain/approval/terms.ts";
import { MAX_QUORUM } from "./expression.ts";

/** Whoever held a command for longer than a day has long gone home. */
export const MAX_APPROVAL_SECONDS = 86_400;

export const approvalAnnotations = ["approvals", "denyBy", "approverHours", "approvalTimeout", "escalate"] as const;
type Written = { readonly [name in (typeof approvalAnnotations)[number]]?: string | undefined };

const group = /^[\p{L}\p{N}][\p{L}\p{N}._@+-]{0,127}$/u;

/** Undefined when none of them is written. What cannot be read is a problem: how people must agree is never guessed. */
export function readTerms(written: Written, problem: (message: string) => void): RuleTerms | undefined {
  const { approvals, denyBy, approverHours, approvalTimeout, escalate } = written;
  if ([approvals, denyBy, approverHours, approvalTimeout, escalate].every((text) => text === undefined)) return undefined;
  const steps = approvals === undefined ? [] : readSteps(approvals, problem);
  if (approverHours !== undefined && !areHours(approverHours.trim())) {
    problem(`@approverHours(${JSON.stringify(approverHours)}) is not written like "mon-fri 08-18 Europe/Berlin".`);
  }
  if (escalate !== undefined && !steps.some(({ groups }) => groups.length > 0)) {
    problem("@escalate needs @approvals that names groups: without them, whoever may decide may do so from the start.");
  }
  return {
    steps,
    denyBy: denyBy === undefined ? [] : readGroups("denyBy", denyBy, problem),
    approverHours: approverHours === undefined ? [] : [approverHours.trim()],
    timeoutSeconds: approvalTimeout === undefined ? undefined : readSeconds("approvalTimeout", approvalTimeout, problem),
    escalation: escalate === undefined ? undefined : readEscalation(escalate, problem),
  };
}

/** `1 from support; 2 from dba, security`, and `1` for anybody whom policy lets decide. */
function readSteps(written: string, problem: (message: string) => void): ApprovalStep[] {
  const steps = written.split(";").map((text): ApprovalStep => {
    const { people = "", groups } = /^\s*(?<people>[1-9])(?:\s+from\s+(?<groups>.+?))?\s*$/u.exec(text)?.groups ?? {};
    if (people === "") problem(`@approvals cannot read ${JSON.stringify(text)}: write "1 from support; 2 from dba, security".`);
    return { people: Number(people), groups: groups === undefined ? [] : readGroups("approvals", groups, problem) };
  });
  if (peopleIn(steps) > MAX_QUORUM) problem(`@approvals asks for ${peopleIn(steps)} people; at most ${MAX_QUORUM} are allowed.`);
  return steps;
}

function readGroups(annotation: string, written: string, problem: (message: string) => void): string[] {
  const groups = written.split(",").map((name) => name.trim());
  for (const name of groups) if (!group.test(name)) problem(`@${annotation} cannot read the group ${JSON.stringify(name)}.`);
  return [...new Set(groups)].toSorted();
}

function readEscalation(written: string, problem: (message: string) => void): Escalation {
  const { after = "", to = "" } = /^\s*(?<after>\S+)\s+to\s+(?<to>\S+)\s*$/u.exec(written)?.groups ?? {};
  if (!group.test(to)) problem(`@escalate(${JSON.stringify(written)}) is not written like "10m to managers".`);
  return { to, afterSeconds: readSeconds("escalate", after, problem) };
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };

function readSeconds(annotation: string, written: string, problem: (message: string) => void): number {
  const [, number, unit = ""] = /^([1-9]\d{0,5})([smh])$/.exec(written.trim()) ?? [];
  const seconds = Number(number ?? 0) * (unitSeconds[unit] ?? 0);
  if (seconds === 0 || seconds > MAX_APPROVAL_SECONDS) problem(`@${annotation}: ${JSON.stringify(written)} is not a time such as "15m", at most "24h".`);
  return seconds;
}
