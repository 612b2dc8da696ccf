import { Command, Help } from "commander";
import { agentsVerb } from "./agents.ts";
import { breakGlassVerb } from "./break-glass.ts";
import { approvalsVerb } from "./approvals.ts";
import { asOfVerb } from "./as-of.ts";
import { auditVerb } from "./audit.ts";
import { delegateVerb, delegationsVerb } from "./delegations.ts";
import { eventsVerb } from "./events.ts";
import { execVerb } from "./exec.ts";
import { Misuse } from "./exit-status.ts";
import { explainVerb } from "./explain.ts";
import { failureOf } from "./failure.ts";
import { forgetVerb } from "./forget.ts";
import { grantsVerb } from "./grants.ts";
import { identitiesVerb } from "./identities.ts";
import { toJson } from "./io.ts";
import { ledgerVerb } from "./ledger.ts";
import { notificationsVerb } from "./notifications.ts";
import { policyVerb } from "./policy.ts";
import { projectionsVerb } from "./projections.ts";
import { requestVerb } from "./request.ts";
import { requestPlanVerb } from "./request-plan.ts";
import { resourcesVerb } from "./resources.ts";
import { retentionVerb } from "./retention.ts";
import { searchVerb } from "./search.ts";
import { agentVerb, serveVerb } from "./serve.ts";
import { sessionsVerb } from "./sessions.ts";
import { tokenVerb } from "./token.ts";
import { upVerb } from "./up.ts";

/**
 * The whole command line; `end` is called instead of ending the process. `json`: mistakes on the command line are told as JSON, too. The
 * reference page is written from its help.
 */
export function createProgram(end: (helped: boolean) => never, json = false): Command {
  const program = new Command("sallyport")
    .description("A self-hosted access gateway: every command decided, recorded first, and approved where it matters.")
    .option("--as <profile>", "which identity to act as (a file in .sallyport/profiles); default: $SALLYPORT_CLI_AS, else `default`")
    .option("--json", "write JSON")
    .showHelpAfterError(json ? false : "(--help shows what there is)")
    .configureOutput(json ? { outputError: (text, write) => write(`${toJson({ error: failureOf(new Misuse(text.replace(/^error: /, "").trim())) })}\n`) } : {})
    .configureHelp({
      optionDescription(option) {
        const text = Help.prototype.optionDescription.call(this, option);
        return option.mandatory ? `${text} (required)` : text;
      },
    })
    .addHelpText("after", "\nExit status: 0 done, 1 refused, 2 misused, 3 unreachable.\nStart here: sallyport up")
    .exitOverride((error) => end(error.exitCode === 0));

  for (const verb of [
    upVerb,
    serveVerb,
    agentVerb,
    tokenVerb,
    identitiesVerb,
    resourcesVerb,
    requestVerb,
    requestPlanVerb,
    breakGlassVerb,
    grantsVerb,
    execVerb,
    sessionsVerb,
    approvalsVerb,
    delegateVerb,
    delegationsVerb,
    policyVerb,
    ledgerVerb,
    eventsVerb,
    auditVerb,
    forgetVerb,
    agentsVerb,
    searchVerb,
    explainVerb,
    asOfVerb,
    projectionsVerb,
    retentionVerb,
    notificationsVerb,
  ]) {
    verb(program);
  }
  inherit(program);
  return program;
}

/** Subcommands take over how the program ends and what it shows. */
function inherit(parent: Command): void {
  for (const child of parent.commands) {
    child.copyInheritedSettings(parent);
    inherit(child);
  }
}
