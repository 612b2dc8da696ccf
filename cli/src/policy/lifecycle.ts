import type { PolicyVersion } from "@sallyport/proto/gen/sallyport/api/v1/policy";
import { SallyportError } from "@sallyport/proto/errors";
import type { Command } from "commander";
import { bold, type Io, toJson, tone } from "../io.ts";
import { Misuse } from "../exit-status.ts";
import { instant, printable, writeTable } from "../table.ts";
import { runVerb } from "../verb.ts";
import { isVersion, readPolicy } from "./read-policy.ts";

const VERSION = "the version of a policy, as `policy list` shows it";
/** Of a digest: a version is short enough that somebody may find it twice, this is not. */
const SHOWN_CHARACTERS = 16;
const shownDigest = ({ digest }: PolicyVersion): string => digest.slice(0, SHOWN_CHARACTERS);
const REASON = "why; it is recorded, and whoever decides reads it";

/** How a policy comes into force, one verb a step. */
export function lifecycleVerbs(policy: Command): void {
  policy
    .command("propose")
    .argument("<path>", "a .cedar file or a directory of them")
    .option("--reason <text>", REASON, "")
    .description("put it before the other administrators; nothing changes yet")
    .action((path: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { policy: found } = await api().policyChanges.proposePolicy({ files: readPolicy(path), reason });
        tell(io, found);
      }),
    );
  policy
    .command("rollback")
    .argument("[version]", "a retired version; without, the one that was in force before")
    .option("--reason <text>", REASON, "")
    .description("propose an earlier policy again")
    .action((version: string | undefined, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { policy: found } = await api().policyChanges.proposeEarlierPolicy({ version: version ?? "", reason });
        tell(io, found);
      }),
    );
  policy
    .command("approve")
    .argument("<version>", VERSION)
    .argument("<digest>", `of the rules that you read: the first ${SHOWN_CHARACTERS} characters of it, as \`policy show\` has them`)
    .option("--comment <text>", "why; whoever proposed it sees it", "")
    .description("agree to a policy that somebody else proposed")
    .action((version: string, shown: string, { comment }: { comment: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        if (shown.length < SHOWN_CHARACTERS) throw new Misuse(`A digest has ${SHOWN_CHARACTERS} characters or more: policy show ${version}`);
        const client = api();
        const { policy: asked } = await client.policyChanges.getPolicyVersion({ version });
        const digest = asked?.digest ?? "";
        if (!digest.startsWith(shown))
          throw new SallyportError("approval.drift", `These are not the rules of ${version} now. Read them: policy show ${version}`);
        const { policy: found } = await client.policyChanges.approvePolicy({ version, comment, digest });
        tell(io, found);
      }),
    );
  policy
    .command("reject")
    .argument("<version>", VERSION)
    .option("--comment <text>", "why; whoever proposed it sees it", "")
    .description("refuse a policy that somebody else proposed")
    .action((version: string, { comment }: { comment: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { policy: found } = await api().policyChanges.rejectPolicy({ version, comment });
        tell(io, found);
      }),
    );
  policy
    .command("withdraw")
    .argument("<version>", VERSION)
    .description("take back your own proposal")
    .action((version: string, _options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { policy: found } = await api().policyChanges.withdrawPolicy({ version });
        tell(io, found);
      }),
    );
  policy
    .command("publish")
    .argument("<policy>", "a .cedar file, a directory of them, or the version of a proposal")
    .option("--reason <text>", REASON, "")
    .description("put it in force for every session at once; where somebody else must agree first, propose it")
    .addHelpText("after", "\nExit status 1: it is not in force; somebody else must agree first, and how is told.")
    .action((path: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const client = api();
        if (isVersion(path)) {
          await client.policyChanges.publishProposedPolicy({ version: path });
          return io.out(io.json ? toJson({ version: path }) : `Policy ${path} is in force.`);
        }
        const { version } = await client.policies.publishPolicy({ files: readPolicy(path), reason });
        io.out(io.json ? toJson({ version }) : `Policy ${version} is in force.`);
      }),
    );
  policy
    .command("list")
    .option("--all", "also those that are retired, rejected, withdrawn or superseded")
    .description("what is proposed and what is in force, newest first")
    .action(({ all }: { all?: boolean }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const listed = await api().policyChanges.listPolicyVersions({ openOnly: all !== true, limit: 0 });
        if (io.json) return io.out(toJson(listed));
        warnOfFailure(io, listed.loadFailure, listed.keeps);
        if (listed.policies.length === 0) return io.out("No policy is proposed or in force: everything is refused.");
        const rows = listed.policies.map((each) => [each.version, each.state, agreed(each), each.proposedBy, instant(each.proposedAt), each.reason]);
        writeTable(io, ["VERSION", "STATE", "AGREED", "BY", "PROPOSED", "REASON"], rows);
      }),
    );
}

export function warnOfFailure(io: Io, version: string, keeps: string): void {
  if (version === "") return;
  const instead = keeps === "" ? "everything is refused" : `${keeps} decides in its place`;
  io.err(tone("red", `Policy ${version} does not load at this node: ${instead}. Its log says why.`));
}

const canBeDecided = ({ state }: PolicyVersion): boolean => state === "proposed" || state === "tried" || state === "approved";

const agreed = ({ approvals, required }: PolicyVersion): string => `${approvals.length} of ${required}`;

/** What it is now and what comes next. */
function tell(io: Io, policy: PolicyVersion | undefined): void {
  if (io.json || policy === undefined) return io.out(toJson(policy));
  const { version, state, approvals, required, trial, emptyGroups, comment } = policy;
  io.out(`${bold(version)}: ${state === "approved" ? tone("green", state) : state}${comment === "" ? "" : `: ${printable(comment)}`}`);
  const isOpen = canBeDecided(policy);
  if (isOpen && emptyGroups.length > 0) io.out(tone("yellow", `Nobody is in ${emptyGroups.join(", ")}: is that what you mean?`));
  if (isOpen && trial === undefined) io.out(`What it would have changed:  sallyport policy try ${version}`);
  if (isOpen && approvals.length < required) io.out(`Somebody else (${agreed(policy)}):  sallyport policy approve ${version} ${shownDigest(policy)}`);
  else if (isOpen) io.out(`To put it in force:  sallyport policy publish ${version}`);
}

/** One version with what was said of it; its files follow. */
export function showVersion(io: Io, policy: PolicyVersion): void {
  const line = (label: string, text: string): void => io.out(`${bold(label.padEnd(10))} ${text}`);
  line("Policy", `${policy.version}  ${policy.state}${policy.replacedBy === "" ? "" : ` (${policy.replacedBy} came instead)`}`);
  line("Digest", policy.digest);
  line("Proposed", `by ${policy.proposedBy}, ${instant(policy.proposedAt)}${policy.reason === "" ? "" : `: ${printable(policy.reason)}`}`);
  line("On top of", policy.base || "nothing");
  line(
    "Needs",
    `${agreed(policy)}${policy.approvals.length === 0 ? "" : `: ${policy.approvals.map(({ by, comment }) => (comment === "" ? by : `${by} (${printable(comment)})`)).join(", ")}`}`,
  );
  if (policy.notify.length > 0) line("To tell", policy.notify.join(", "));
  if (policy.trial !== undefined) {
    const { by, since, decisions, differences } = policy.trial;
    const found = differences.map(({ kind, count }) => `${count} ${kind.replaceAll("_", " ")}`).join(", ") || "no difference";
    line("Tried", `by ${by} on ${decisions} decisions since ${instant(since)}: ${found}`);
  }
  if (policy.decidedBy !== "")
    line("Decided", `by ${policy.decidedBy}, ${instant(policy.decidedAt)}${policy.comment === "" ? "" : `: ${printable(policy.comment)}`}`);
  if (canBeDecided(policy) && policy.approvals.length < policy.required) line("Approve", `sallyport policy approve ${policy.version} ${shownDigest(policy)}`);
  if (policy.groups.length > 0) line("Groups", policy.groups.map((group) => (policy.emptyGroups.includes(group) ? `${group} (nobody)` : group)).join(", "));
  if (policy.labels.length > 0) line("Labels", policy.labels.join(", "));
}
