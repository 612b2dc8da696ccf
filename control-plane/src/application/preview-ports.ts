import type { PreviewKind } from "../domain/approval/approval.events.ts";
import type { PlannedCommand } from "../domain/approval/plan.ts";
import type { Obligations, Principal } from "../domain/decision.ts";
import type { RecordedCommand } from "../domain/session/session.events.ts";
import type { CommandContext, ResourceView } from "./ports.ts";

/** What a preview shows: masked, and bounded, by the agent. */
export interface PreviewResult {
  readonly plan: string;
  readonly dryRun: DryRun | undefined;
  /** Of a plan, one for each of its commands. */
  readonly steps?: readonly StepResult[];
}

/** One command of a plan. */
export interface StepResult {
  readonly statement: string;
  /** Empty where there is none; `note` says why. */
  readonly plan: string;
  /** That it changed, in a dry run, after those before it. */
  readonly rows: number | undefined;
  readonly note: string;
}

export interface DryRun {
  /** That the command changed. */
  readonly rows: number;
  readonly columns: readonly string[];
  /** Some of the rows as they were, and as they became; null is NULL. */
  readonly before: readonly (readonly (string | null)[])[];
  readonly after: readonly (readonly (string | null)[])[];
  readonly notes: readonly string[];
}

export interface PreviewRequest {
  readonly previewId: string;
  readonly command: RecordedCommand;
  /** The commands that it is made of, where it is a plan. */
  readonly plan?: readonly PlannedCommand[];
  readonly requestedBy: string;
  readonly resource: ResourceView;
  /** Of the requester's session, as the client gave them. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly obligations: Obligations;
  readonly kind: PreviewKind;
}

/** One protocol's way to look at the effect of a command. */
export interface Previewer {
  /** Before anything is recorded or asked. Fails with `preview.unsafe`, `feature.unsupported`, `agent.offline`. */
  require(request: Pick<PreviewRequest, "command" | "plan" | "requestedBy" | "resource" | "kind">): void;
  /** Asks the agent. Fails with `preview.unsafe`, `preview.failed`, and what sessions fail with at the target. */
  look(request: PreviewRequest): Promise<PreviewResult>;
}

export interface Previews {
  /**
   * Shows somebody who may decide what the held command would do. The intent is durable before the target is asked, and the outcome
   * before it is answered. Fails like `approve`, like a `Previewer`, and with `session.limit`.
   */
  preview(approvalId: string, by: Principal, kind: PreviewKind, digest: string | undefined, context: CommandContext): Promise<Preview>;
}

export interface Preview extends PreviewResult {
  readonly previewId: string;
  /** Hex SHA-256 of what is shown, as it is in the record. */
  readonly previewDigest: string;
}
