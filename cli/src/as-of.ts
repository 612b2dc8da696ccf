import type { Access, AsOf, GetAccessAsOfResponse, GetPolicyAsOfResponse, GetStateAsOfResponse } from "@sallyport/proto/gen/sallyport/api/v1/history";
import { Argument, type Command } from "commander";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { bold, dim, type Io, toJson, tone } from "./io.ts";
import { parseMoment } from "./moment.ts";
import { instant, writeTable } from "./table.ts";
import { runVerb } from "./verb.ts";

/** Longer than other calls: it may read years of the ledger. */
const TRAVEL_MILLIS = 300_000;

type What = "state" | "access" | "policy";

const examples = `
state   who and what there was, which sessions and grants were open, what waited for an approval, who decided in whose place
access  what policy said to each identity about each resource: open it, run each class of command there, approve,
        ask for access, replay sessions of others; with the grants that were open, and in whose place they could
        approve; and what of the control plane itself each identity could look at and change
policy  the policy in force, with its text

Examples:
  sallyport as-of 2026-11-22T09:00Z state
  sallyport as-of 15m access --identity ana
  sallyport as-of 4711 policy`;

export function asOfVerb(program: Command): void {
  program
    .command("as-of")
    .argument("<moment>", "an instant such as 2026-11-22T09:00Z, 15m for fifteen minutes ago, or a position as events show it")
    .addArgument(new Argument("<what>", "what to tell").choices(["state", "access", "policy"]))
    .option("--identity <id>", "access: only this identity's")
    .option("--resource <name>", "access: only to this resource")
    .description("what was true at a moment, from the ledger up to there; for auditors")
    .addHelpText("after", examples)
    .action((text: string, what: What, { identity = "", resource = "" }: { identity?: string; resource?: string }, command: Command) =>
      runVerb(command, async ({ io, api }): Promise<ExitStatus> => {
        const { history } = api();
        const moment = parseMoment(text);
        switch (what) {
          case "state": {
            const state = await history.getStateAsOf({ moment }, TRAVEL_MILLIS);
            if (io.json) io.out(toJson(state));
            else showState(io, state);
            return exitStatus.done;
          }
          case "access": {
            const answer = await history.getAccessAsOf({ moment, identity, resource }, TRAVEL_MILLIS);
            if (io.json) io.out(toJson(answer));
            else showAccess(io, answer);
            return exitStatus.done;
          }
          case "policy": {
            const policy = await history.getPolicyAsOf({ moment }, TRAVEL_MILLIS);
            if (io.json) io.out(toJson(policy));
            else showPolicy(io, policy);
            return exitStatus.done;
          }
        }
      }),
    );
}

const heading = (asOf: AsOf | undefined, policy: string): string =>
  asOf?.recordedAt === undefined
    ? "Nothing was recorded yet."
    : dim(`After position ${asOf.position}, recorded ${asOf.recordedAt.toISOString()}; policy ${policy === "" ? "none, so everything was refused" : policy}`);

function showState(
  io: Io,
  { asOf, policyVersion, identities, agents, resources, sessions, approvals, grants, delegations, removed }: GetStateAsOfResponse,
): void {
  io.out(heading(asOf, policyVersion));
  section(
    io,
    ["IDENTITY", "KIND", "STATE", "GROUPS"],
    identities.map(({ id, kind, disabled, groups }) => [id, kind, disabled ? "disabled" : "active", groups.join(" ")]),
  );
  section(
    io,
    ["AGENT", "NAME", "STATE", "RESOURCES"],
    agents.map(({ id, name, revoked, connected, resources: served }) => [
      id,
      name,
      revoked ? "revoked" : connected ? "connected" : "offline",
      served.join(" "),
    ]),
  );
  section(
    io,
    ["RESOURCE", "PROTOCOL", "AGENT", "LABELS"],
    resources.map(({ name, protocol, online, labels }) => [name, protocol, online ? "online" : "offline", labelText(labels)]),
  );
  section(
    io,
    ["SESSION", "BEGAN", "IDENTITY", "RESOURCE", "STATE"],
    sessions.map(({ id, requestedAt, identity, resource, state }) => [id, instant(requestedAt), identity, resource, state]),
  );
  section(
    io,
    ["APPROVAL", "STATE", "BY", "RESOURCE", "STATEMENT"],
    approvals.map(({ id, state, requestedBy, resource, statement }) => [id, state, requestedBy, resource, statement]),
  );
  section(
    io,
    ["GRANT", "STATE", "WHO", "RESOURCE", "UNTIL", "APPROVERS"],
    grants.map(({ id, state, requestedBy, resource, endsAt, approvers }) => [id, state, requestedBy, resource, instant(endsAt), approvers.join(" ")]),
  );
  section(
    io,
    ["DELEGATION", "STATE", "IN THE PLACE OF", "DECIDES", "FROM", "UNTIL"],
    delegations.map(({ id, state, from, to, startsAt, endsAt }) => [id, state, from, to, instant(startsAt), instant(endsAt)]),
  );
  for (const { category, endedBefore, runId } of removed) {
    io.out(tone("yellow", `Not whole: each ${category} that ended before ${instant(endedBefore)} was removed (retention run ${runId}).`));
  }
}

const labelText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");

function showAccess(io: Io, { asOf, policyVersion, access, own }: GetAccessAsOfResponse): void {
  io.out(heading(asOf, policyVersion));
  section(
    io,
    ["IDENTITY", "REPLAYS", "ADMINISTERS"],
    own.map(({ identity, decisions }) => [identity?.id ?? "", ...["replay", "administer"].map((action) => areasOf(action, decisions))]),
  );
  if (policyVersion === "") return;
  const columns = access[0]?.decisions.map(({ action, riskClass }) => (action === "run" ? riskClass : action)) ?? [];
  section(
    io,
    ["IDENTITY", "RESOURCE", "AGENT", "GRANTED", ...columns.map((column) => column.toUpperCase())],
    access.map(({ identity, resource, agentState, grantedUntil, decisions, inPlaceOf }) => [
      identity?.id ?? "",
      resource,
      agentState,
      grantedUntil === undefined ? "" : `until ${grantedUntil.toISOString()}`,
      ...decisions.map((decision) => (decision.action === "approve" ? approveCell(decision, inPlaceOf) : cell(decision))),
    ]),
  );
  io.out(dim("Of each class a typical statement that names no table; rules about certain tables may say otherwise. --json has the rules."));
}

/** Of the control plane itself: where it is permitted. */
function areasOf(wanted: string, decisions: Access["decisions"]): string {
  const asked = decisions.filter(({ action }) => action === wanted);
  const allowed = asked.filter(({ effect }) => effect === "allow");
  return allowed.length === asked.length ? "everything" : allowed.map(({ area }) => area).join(" ");
}

function cell({ effect, quorum }: Access["decisions"][number]): string {
  if (effect === "needs_approval") return `approval of ${quorum}`;
  return effect === "allow" ? "yes" : "no";
}

/** Their own, and in whose place. */
function approveCell(own: Access["decisions"][number], places: Access["inPlaceOf"]): string {
  const others = places.filter(({ approve }) => approve?.effect === "allow").map(({ from }) => from);
  return others.length === 0 ? cell(own) : `${own.effect === "allow" ? "yes, and " : ""}for ${others.join(" ")}`;
}

function showPolicy(io: Io, { asOf, version, files, publishedBy, publishedAt, reason }: GetPolicyAsOfResponse): void {
  io.out(heading(asOf, version));
  if (version === "") return;
  io.out(`${bold(version)}, published by ${publishedBy} at ${instant(publishedAt)}${reason === "" ? "" : `: ${reason}`}`);
  for (const { name, text } of files) io.out(`\n// ${name}\n${text.trimEnd()}`);
}

function section(io: Io, headings: readonly string[], rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) return;
  io.out("");
  writeTable(io, headings, rows);
}
