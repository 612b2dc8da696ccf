import type { DifferenceGroup, RankedDifferences, TrialProgress, TrialReport } from "@sallyport/proto/gen/sallyport/api/v1/policy";
import type { Command } from "commander";
import { exitStatus, Misuse } from "../exit-status.ts";
import { bold, dim, type Io, toJson, tone } from "../io.ts";
import { instant, printable, writeTable } from "../table.ts";
import { parseDuration, runVerb } from "../verb.ts";
import { isVersion, readPolicy } from "./read-policy.ts";

/** What may come out otherwise: in the order in which whoever reviews a policy looks at it. */
const kinds: Readonly<Record<string, string>> = {
  newly_allowed: "newly allowed",
  approval_no_longer_needed: "no longer needs approval",
  newly_approvable: "no longer refused, but needs approval",
  newly_needing_approval: "newly needs approval",
  newly_denied: "newly denied",
  approvals_changed: "others must agree, or more, or fewer",
  obligations_changed: "masked, capped or recorded otherwise",
};

/** Between two lines of progress. */
const TOLD_EVERY_MILLIS = 1_000;
/** Groups in full; the rest is in the JSON. */
const SHOWN_GROUPS = 20;
const SHOWN_NAMES = 8;

const about = `
Each decision of the record is taken again under these rules: with the recorded facts, the groups that people had and the labels that
resources had. It is compared with what was decided then. Of a proposal the numbers are recorded with it, unless --identity or --resource
left something out. Exit status 1: there are differences of the kinds of --fail-on.

Kinds for --fail-on: ${Object.keys(kinds)
  .map((kind) => kind.replaceAll("_", "-"))
  .join(", ")}, any.

Examples:
  sallyport policy try ./policies --since 30d
  sallyport policy try ./policies --since 7d --fail-on newly-allowed,approval-no-longer-needed --json    a merge gate`;

interface TryOptions {
  readonly since: string;
  readonly identity?: string;
  readonly resource?: string;
  readonly failOn?: string;
}

export function tryVerb(policy: Command): void {
  policy
    .command("try")
    .argument("<policy>", "a .cedar file, a directory of them, or the version of a proposal")
    .option("--since <duration>", "how far back, such as 12h or 30d", "30d")
    .option("--identity <id>", "only decisions on this identity")
    .option("--resource <name>", "only decisions on this resource")
    .option("--fail-on <kinds>", "exit with 1 when there are differences of these kinds, comma-separated; or any")
    .description("what it would have changed about the decisions of the past; publishes nothing")
    .addHelpText("after", about)
    .action((path: string, { since, identity = "", resource = "", failOn }: TryOptions, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const failing = kindsOf(failOn);
        const rules = isVersion(path) ? { version: path, files: [] } : { version: "", files: readPolicy(path) };
        const asked = { ...rules, sinceSeconds: BigInt(parseDuration(since)), identity, resource };
        let report: TrialReport | undefined;
        let toldAt = Date.now();
        for await (const { step } of api().policyChanges.tryPolicy(asked)) {
          if (step?.$case === "report") report = step.value;
          else if (step?.$case === "progress" && Date.now() - toldAt >= TOLD_EVERY_MILLIS) {
            toldAt = Date.now();
            io.err(progressLine(step.value));
          }
        }
        if (report === undefined) throw new Error("The trial ended without a report.");
        if (io.json) io.out(toJson(report));
        else show(io, report);
        return report.differences.some(({ kind }) => failing.has(kind)) ? exitStatus.refused : exitStatus.done;
      }),
    );
}

function kindsOf(failOn: string | undefined): ReadonlySet<string> {
  if (failOn === undefined) return new Set();
  const words = failOn.split(",").map((word) => word.trim().replaceAll("-", "_"));
  if (words.includes("any")) return new Set(Object.keys(kinds));
  const unknown = words.filter((word) => !Object.hasOwn(kinds, word));
  if (unknown.length > 0) throw new Misuse(`There is no kind of difference "${unknown.join(", ")}"; --help lists them.`);
  return new Set(words);
}

const progressLine = ({ decisions, different, at, done }: TrialProgress): string =>
  dim(`${decisions} decisions, ${different} different, up to ${instant(at)} (${Math.floor(done * 100)} %)`);

function show(io: Io, report: TrialReport): void {
  const { version, since, decisions, unreproducible, earlierReleases, forgotten, differences, groups, others, isRecorded } = report;
  io.out(`${bold(version)} on ${decisions} decisions since ${instant(since)}`);
  for (const [count, what] of [
    [unreproducible, "compared with the record alone: the policy of their time does not come to the same answer any more, or cannot be read"],
    [earlierReleases, "recorded by an earlier release, with fewer facts"],
    [forgotten, "on somebody who was forgotten since: rules that name them do not meet them"],
  ] as const) {
    if (count > 0n) io.out(dim(`  ${count} of them ${what}`));
  }
  if (differences.length === 0) io.out(tone("green", "No difference."));
  for (const { kind, count } of differences) io.out(`${String(count).padStart(8)}  ${tone(kind === "newly_allowed" ? "red" : "yellow", kinds[kind] ?? kind)}`);
  for (const [label, ranked] of [
    ["rule", report.byRule],
    ["identity", report.byIdentity],
    ["resource", report.byResource],
    ["fingerprint", report.byFingerprint],
  ] as const) {
    showRanked(io, label, ranked);
  }
  for (const group of groups.slice(0, SHOWN_GROUPS)) showGroup(io, group);
  const left = groups.slice(SHOWN_GROUPS).reduce((sum, { count }) => sum + count, others);
  if (left > 0n) io.out(dim(`\n${left} more differences in smaller groups; --json has more of them.`));
  if (isRecorded) io.out(dim("\nRecorded with the proposal."));
}

function showRanked(io: Io, label: string, ranked: RankedDifferences | undefined): void {
  if (ranked === undefined || ranked.top.length === 0) return;
  const { top, others } = ranked;
  io.out("");
  const rows = top.slice(0, SHOWN_NAMES).map(({ kind, name, count }) => [String(count), name === "" ? "(none)" : name, kinds[kind] ?? kind]);
  const left = top.slice(SHOWN_NAMES).reduce((sum, { count }) => sum + count, others);
  writeTable(io, ["COUNT", `BY ${label.toUpperCase()}`, "WHAT"], left > 0n ? [...rows, [String(left), "(others)", ""]] : rows);
}

function showGroup(io: Io, { kind, action, identity, resource, riskClass, verbs, rulesThen, rulesNow, reasonNow, count, examples }: DifferenceGroup): void {
  const rules = (names: readonly string[]): string => names.join(", ") || "none permits it";
  io.out(`\n${bold(kinds[kind] ?? kind)}: ${count} × ${identity} ${action} ${resource}${riskClass === "" ? "" : ` (${riskClass}: ${verbs.join(", ")})`}`);
  io.out(`  then ${rules(rulesThen)}; now ${rules(rulesNow)}: ${printable(reasonNow)}`);
  for (const { sessionId, commandId, at, statement } of examples)
    io.out(dim(`  ${instant(at)}  ${sessionId}${commandId === 0 ? "" : ` ${commandId}`}  ${printable(statement)}`));
}
