import type { RankedDifferences, TrialReport, TryPolicyResponse } from "@sallyport/proto/gen/sallyport/api/v1/policy";
import type { DifferenceGroup, Ranked, WhatIfReport } from "../application/what-if/report.ts";
import type { TrialStep } from "../application/what-if/trials.ts";

/** Whether somebody may look at the sessions, or requests for access, that a group counts. */
export type MaySee = (group: Pick<DifferenceGroup, "action" | "identity" | "resource">) => boolean;

/** The numbers are of the policy, and for whoever may look at that; the examples are what people did, with the text of their commands. */
export function trialView(step: TrialStep, maySee: MaySee): TryPolicyResponse {
  if (step.kind === "report") return { step: { $case: "report", value: reportView(step.report, step.isRecorded, maySee) } };
  const { decisions, different, at, done } = step.progress;
  return { step: { $case: "progress", value: { decisions: BigInt(decisions), different: BigInt(different), at, done } } };
}

const reportView = ({ groups, differences, ...report }: WhatIfReport, isRecorded: boolean, maySee: MaySee): TrialReport => ({
  version: report.version,
  since: new Date(report.since),
  until: new Date(report.until),
  decisions: BigInt(report.decisions),
  unreproducible: BigInt(report.unreproducible),
  earlierReleases: BigInt(report.earlierReleases),
  forgotten: BigInt(report.forgotten),
  differences: differences.map(({ kind, count }) => ({ kind, count: BigInt(count) })),
  byRule: rankedView(report.byRule),
  byIdentity: rankedView(report.byIdentity),
  byResource: rankedView(report.byResource),
  byFingerprint: rankedView(report.byFingerprint),
  groups: groups.map(({ count, examples, verbs, rulesThen, rulesNow, ...group }) => ({
    ...group,
    verbs: [...verbs],
    rulesThen: [...rulesThen],
    rulesNow: [...rulesNow],
    count: BigInt(count),
    examples: maySee(group) ? examples.map(({ at, ...example }) => ({ ...example, at: new Date(at) })) : [],
  })),
  others: BigInt(report.others),
  isRecorded,
});

const rankedView = ({ top, others }: Ranked): RankedDifferences => ({
  top: top.map(({ count, ...each }) => ({ ...each, count: BigInt(count) })),
  others: BigInt(others),
});
