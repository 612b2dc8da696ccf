import { isErrorCode, SallyportError } from "@sallyport/proto/errors";
import type { DryRun as WireDryRun, Preview, Previewed, PreviewRow } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel } from "@sallyport/proto/tunnel/channel";
import type { AgentLinks } from "../../../application/ports.ts";
import type { DryRun, PreviewRequest, PreviewResult, Previewer } from "../../../application/preview-ports.ts";
import { previewOfPlan } from "../../../application/plan-preview.ts";
import type { StatementAnalyser } from "../facts/analysis.ts";
import { assignedColumns } from "../result-lineage.ts";
import { wireObligations } from "../wire-obligations.ts";
import { answeredSteps, type PlanStep, stepsOfPlan } from "./plan-steps.ts";
import { requirePreviewable } from "./previewable.ts";
import { type Restored, restoreCommand } from "./restore-command.ts";

/** The agent gives up before; this is for one that hangs. */
export const PREVIEW_ANSWER_MS = 30_000;

/** Looks at the effect of a PostgreSQL command, by way of the agent that serves its resource. */
export class PostgresPreviewer implements Previewer {
  readonly #links: Pick<AgentLinks, "isConnected" | "supports" | "open">;
  readonly #analyser: Pick<StatementAnalyser, "analyse">;

  constructor(links: Pick<AgentLinks, "isConnected" | "supports" | "open">, analyser: Pick<StatementAnalyser, "analyse">) {
    this.#links = links;
    this.#analyser = analyser;
  }

  require({ command, plan, requestedBy, resource, kind }: Pick<PreviewRequest, "command" | "plan" | "requestedBy" | "resource" | "kind">): void {
    const { name, protocol, agentId } = resource;
    if (protocol !== "postgres") throw new SallyportError("feature.unsupported", "There are previews of PostgreSQL commands only.", { protocol });
    if (plan === undefined) {
      requirePreviewable(command, kind);
      restored(command, name, requestedBy);
    } else stepsOfPlan(plan, kind, { resource: name, requester: requestedBy });
    if (!this.#links.isConnected(agentId)) throw new SallyportError("agent.offline", "The agent that serves the resource is not connected.");
    // A plan's dry run shows no rows.
    const feature = plan !== undefined ? "preview_plan" : kind === "dry_run" ? "preview_assigned" : "preview";
    if (!this.#links.supports(agentId, feature)) {
      const what = { preview: "previews", preview_plan: "previews of plans", preview_assigned: "dry runs that mask what is copied" }[feature];
      throw new SallyportError("feature.unsupported", `The agent that serves the resource is of a release without ${what}. Upgrade it.`);
    }
  }

  async look(request: PreviewRequest): Promise<PreviewResult> {
    const { command, plan, requestedBy, resource, kind } = request;
    if (plan === undefined) {
      const exact = restored(command, resource.name, requestedBy);
      const assigned = kind === "dry_run" ? assignedColumns(await this.#analyser.analyse(Buffer.from(exact.statement))) : undefined;
      const { plan: text, dryRun } = await this.#ask(request, wirePreview(exact, kind === "dry_run", assigned));
      if ((dryRun !== undefined) !== (kind === "dry_run")) throw notAnAnswer();
      return { plan: text, dryRun: dryRun === undefined ? undefined : readDryRun(dryRun) };
    }
    const steps = stepsOfPlan(plan, kind, { resource: resource.name, requester: requestedBy });
    const seen = answeredSteps(steps, (await this.#ask(request, wirePlan(steps, kind === "dry_run"))).steps, kind);
    if (seen === undefined) throw notAnAnswer();
    return previewOfPlan(seen, kind);
  }

  async #ask({ previewId, resource, parameters, obligations }: PreviewRequest, preview: Preview): Promise<Previewed> {
    const { promise, resolve, reject } = Promise.withResolvers<Previewed>();
    const channel: Channel = this.#links.open(
      resource.agentId,
      { resource: resource.name, sessionId: previewId, parameters: { ...parameters }, obligations: wireObligations(obligations), credit: 0, preview },
      {
        data: () => reject(notAnAnswer()),
        control: (body) => (body.$case === "previewed" ? resolve(body.value) : reject(notAnAnswer())),
        drained: () => undefined,
        closed: ({ code, message }) => reject(new SallyportError(isErrorCode(code) ? code : "preview.failed", message || "The agent gave no preview.")),
      },
    );
    const deadline = setTimeout(() => reject(new SallyportError("preview.failed", "The agent did not answer in time.")), PREVIEW_ANSWER_MS);
    try {
      return await promise;
    } finally {
      clearTimeout(deadline);
      channel.close({ code: "", message: "" });
    }
  }
}

function restored(command: PreviewRequest["command"], resource: string, requester: string): Restored {
  const found = restoreCommand(command, { resource, requester });
  if (found !== undefined) return found;
  const message = "The record does not hold the exact text of this command: it is too long, holds a password, or is in another encoding than UTF-8.";
  throw new SallyportError("feature.unsupported", message);
}

const wirePreview = ({ statement, parameters, parameterTypes }: Restored, dryRun: boolean, assigned: Preview["assigned"]): Preview => ({
  statement,
  parameters: parameters.map(({ format, value }, index) => ({ typeOid: parameterTypes[index] ?? 0, binary: format === "binary", value })),
  dryRun,
  steps: [],
  ...(assigned === undefined ? {} : { assigned }),
});

const wirePlan = (steps: readonly PlanStep[], dryRun: boolean): Preview => ({
  statement: "",
  parameters: [],
  dryRun,
  steps: steps.flatMap(({ number, statement, change }) => (change === undefined ? [] : [{ number, statement, change }])),
});

const readDryRun = ({ rows, columns, before, after, notes }: WireDryRun): DryRun => ({
  rows: Number(rows),
  columns,
  before: before.map(readRow),
  after: after.map(readRow),
  notes,
});

const readRow = ({ cells }: PreviewRow): readonly (string | null)[] => cells.map(({ text }) => text ?? null);

const notAnAnswer = (): SallyportError => new SallyportError("preview.failed", "The agent answered something else than a preview.");
