import type { PreviewKind } from "../domain/approval/approval.events.ts";
import type { PreviewResult, StepResult } from "./preview-ports.ts";

const counted = (rows: number): string => `${rows} ${rows === 1 ? "row" : "rows"}`;
const outcomeOf = ({ rows, plan, note }: StepResult): string =>
  [rows === undefined ? "" : counted(rows), note, plan === "" ? "" : "planned"].find(Boolean) ?? "";

/**
 * What a preview of a plan shows, as one text as well: what came of each command, then the plans. The record has the text, and its
 * beginning is what matters.
 */
export function previewOfPlan(steps: readonly StepResult[], kind: PreviewKind): PreviewResult {
  const outcomes = steps.map((step, index) => `${index + 1}. ${outcomeOf(step)}`);
  const plans = steps.flatMap(({ plan }, index) => (plan === "" ? [] : [`\n-- ${index + 1}\n${plan}`]));
  const rows = steps.reduce((sum, step) => sum + (step.rows ?? 0), 0);
  const notes = ["Of the commands of a plan rows are counted, each after those before it; none are shown."];
  return { plan: [...outcomes, ...plans].join("\n"), dryRun: kind === "dry_run" ? { rows, columns: [], before: [], after: [], notes } : undefined, steps };
}
