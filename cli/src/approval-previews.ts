import type { ApprovalPreview, DryRun, PreviewedCommand, PreviewResponse, SampleRow } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { findApproval } from "./find-approval.ts";
import { bold, dim, type Io, toJson } from "./io.ts";
import { instant, printable, printableLines, table } from "./table.ts";
import { runVerb } from "./verb.ts";

/** Others may be looking at the same resource, one after the other, each for as long as the control plane waits. */
const PREVIEW_CALL_MILLIS = 300_000;

export function previewVerb(approvals: Command): void {
  approvals
    .command("preview")
    .argument("<id>", "the approval, or the first characters of its id")
    .option("--dry-run", "run the change in a transaction that is rolled back: how many rows, and some of them before and after")
    .description("what the held command, or each one of a plan, would do: its plan; whoever may decide on it can look")
    .action((id: string, { dryRun = false }: { dryRun?: boolean }, command: Command) =>
      runVerb(command, async (verb) => {
        // With the digest, so that the effect is of what was shown and of nothing else.
        const { id: approvalId, digest } = await findApproval(verb, id);
        const seen = await verb.api().approvals.preview({ approvalId, digest, dryRun }, PREVIEW_CALL_MILLIS);
        if (verb.io.json) verb.io.out(toJson(seen));
        else show(verb.io, seen);
      }),
    );
}

/** One line of `approvals show`. */
export function previewLine({ kind, by, at, state, rows, code }: ApprovalPreview): string {
  const what = kind === "dry_run" ? "dry run" : "plan";
  const outcome = state === "failed" ? code : state === "asked" ? "no answer yet" : rows === undefined ? "shown" : `shown: ${counted(rows)}`;
  return `${what} by ${by}, ${instant(at)}: ${outcome}`;
}

function show(io: Io, { plan, dryRun, steps, previewDigest }: PreviewResponse): void {
  if (steps.length === 0) {
    io.out(bold("Plan"));
    for (const line of printableLines(plan)) io.out(`  ${line}`);
  }
  for (const [index, step] of steps.entries()) showStep(io, index + 1, step);
  if (dryRun !== undefined) showDryRun(io, dryRun);
  io.out(`${bold("Digest")}     ${previewDigest}`);
  io.out(dim("On a connection of its own: what the session has set or not yet committed does not show."));
}

/** One command of a plan. */
function showStep(io: Io, number: number, { statement, plan, rows, note }: PreviewedCommand): void {
  io.out(`${bold(`${number}.`)} ${printable(statement)}${rows === undefined ? "" : `  ${dim("→")} ${counted(rows)}`}`);
  if (note !== "") io.out(`   ${dim(printable(note))}`);
  for (const line of plan === "" ? [] : printableLines(plan)) io.out(`     ${line}`);
}

function showDryRun(io: Io, { rows, columns, before, after, notes }: DryRun): void {
  io.out(`${bold("Dry run")}    ${counted(rows)} would change; rolled back`);
  sample(io, "Before", columns, before);
  sample(io, "After", columns, after);
  for (const note of notes) io.out(`  ${printable(note)}`);
}

function sample(io: Io, name: string, columns: readonly string[], rows: readonly SampleRow[]): void {
  if (rows.length === 0) return;
  io.out(bold(name));
  const cells = rows.map((row) => row.cells.map(({ text }) => text ?? "NULL"));
  for (const line of table(columns.map(printable), cells)) io.out(`  ${line}`);
}

const counted = (rows: bigint): string => `${rows} ${rows === 1n ? "row" : "rows"}`;
