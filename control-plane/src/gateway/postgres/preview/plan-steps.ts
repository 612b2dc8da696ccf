import { SallyportError } from "@sallyport/proto/errors";
import type { StepResult } from "../../../application/preview-ports.ts";
import type { PreviewKind } from "../../../domain/approval/approval.events.ts";
import type { PlannedCommand } from "../../../domain/approval/plan.ts";
import type { RecordedCommand } from "../../../domain/session/session.events.ts";
import { changes, requirePreviewable } from "./previewable.ts";
import { restoreCommand } from "./restore-command.ts";

export interface PlanStep {
  /** From 1. */
  readonly number: number;
  readonly statement: string;
  /** Of those that the target is asked about: whether a dry run runs it. Undefined: it is not asked, and `note` says why. */
  readonly change: boolean | undefined;
  readonly note: string;
}

const BRACKETS: ReadonlySet<string> = new Set(["BEGIN", "COMMIT"]);

/**
 * What of a plan the target is asked about.
 *
 * T1. What is looked at is what the plan holds: each text has the digest that its execution is bound to.
 * T2. A plan of EXPLAINs leaves out what has none. A dry run leaves out only what changes nothing by itself, BEGIN and COMMIT: to skip
 *     anything else would count rows that the plan would not change.
 */
export function stepsOfPlan(
  plan: readonly PlannedCommand[],
  kind: PreviewKind,
  bound: { readonly resource: string; readonly requester: string },
): readonly PlanStep[] {
  const steps = plan.map((planned, index): PlanStep => {
    const { statement, facts } = planned;
    const number = index + 1;
    const refused = (error: unknown): SallyportError => {
      const { code, message } = SallyportError.from(error);
      return new SallyportError(code, `Command ${number} of the plan: ${message}`);
    };
    if (kind === "dry_run" && facts.verbs.length > 0 && facts.verbs.every((verb) => BRACKETS.has(verb)))
      return { number, statement, change: undefined, note: "Not run: a dry run is one transaction." };
    const command = commandOf(planned);
    if (restoreCommand(command, bound) === undefined) throw refused(new SallyportError("feature.unsupported", "The record does not hold its exact text."));
    const isChange = changes(facts);
    try {
      requirePreviewable(command, kind === "dry_run" && isChange ? "dry_run" : "plan");
      return { number, statement, change: isChange, note: "" };
    } catch (error) {
      if (kind === "dry_run") throw refused(error);
      return { number, statement, change: undefined, note: SallyportError.from(error).message };
    }
  });
  if (steps.every(({ change }) => change === undefined)) throw new SallyportError("feature.unsupported", "No command of this plan can be looked at.");
  return steps;
}

const commandOf = ({ statement, digest, facts }: PlannedCommand): RecordedCommand => ({
  commandId: 1,
  via: "simple",
  statement,
  statementBytes: Buffer.byteLength(statement),
  redacted: false,
  parameters: [],
  digest,
  facts,
});

/** What the agent said of them, put back among those that it was not asked about. Undefined when it is not an answer to the question. */
export function answeredSteps(
  steps: readonly PlanStep[],
  answers: readonly { readonly number: number; readonly plan: string; readonly rows?: bigint | undefined; readonly failure: string }[],
  kind: PreviewKind,
): readonly StepResult[] | undefined {
  const asked = steps.filter(({ change }) => change !== undefined);
  if (asked.length !== answers.length || asked.some(({ number }, index) => answers[index]?.number !== number)) return undefined;
  const byNumber = new Map(answers.map((answer) => [answer.number, answer]));
  const seen: StepResult[] = [];
  for (const { number, statement, change, note } of steps) {
    const { plan = "", rows, failure = "" } = byNumber.get(number) ?? {};
    if ((rows !== undefined) !== (kind === "dry_run" && change === true)) return undefined;
    seen.push({ statement, plan, rows: rows === undefined ? undefined : Number(rows), note: failure === "" ? note : failure });
  }
  return seen;
}
