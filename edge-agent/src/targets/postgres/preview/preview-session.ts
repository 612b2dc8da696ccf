import { SallyportError } from "@sallyport/proto/errors";
import type { Obligations, Open, Preview, Previewed } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel, CloseReason } from "@sallyport/proto/tunnel/channel";
import type { Logger } from "pino";
import type { TargetSession } from "../../target.ts";
import { Conversation } from "./conversation.ts";
import { dryRun } from "./dry-run.ts";
import { PREVIEW_TIMEOUT_MS } from "./limits.ts";
import { maskText } from "./plan.ts";
import { lookAtSteps } from "./plan-steps.ts";
import { requireDone, rolledBack } from "./transaction.ts";

export interface PreviewSessionDeps {
  /** Opens a session on the target, nothing of which is anybody's but ours. */
  readonly begin: (open: Open, channel: Channel) => TargetSession;
  /** Once, when nothing is left of it. */
  readonly ended: () => void;
  readonly log: Logger;
}

/** The requester's own settings, so that names mean what they mean to them; what we read, we read as UTF-8. */
const parametersOf = (parameters: Readonly<Record<string, string>>): Record<string, string> => ({
  ...Object.fromEntries(Object.entries(parameters).filter(([name]) => !/^(?:client_encoding|application_name)$/i.test(name))),
  client_encoding: "UTF8",
  application_name: "sallyport preview",
});

/**
 * One look at what a command would do: a connection of its own, one answer, and nothing of it stays.
 *
 * W1. The channel hears once: Previewed, or a close with a reason.
 * W2. It is over within PREVIEW_TIMEOUT_MS and a wind-down, whatever the target does.
 */
export class PreviewSession implements TargetSession {
  readonly #channel: Channel;
  readonly #log: Logger;
  readonly #over = new AbortController();

  constructor(open: Open, preview: Preview, channel: Channel, { begin, ended, log }: PreviewSessionDeps) {
    this.#channel = channel;
    this.#log = log.child({ preview: open.sessionId });
    const deadline = setTimeout(
      () => this.#over.abort(new SallyportError("preview.failed", `The target gave no preview within ${PREVIEW_TIMEOUT_MS / 1_000} s.`)),
      PREVIEW_TIMEOUT_MS,
    );
    this.#look(open, preview, begin)
      .then((previewed) => this.#answer(previewed))
      .catch((error: unknown) => this.#fail(SallyportError.from(error)))
      .finally(() => {
        clearTimeout(deadline);
        ended();
      });
  }

  data(): void {
    this.#over.abort(new SallyportError("tunnel.violation", "A preview takes no data."));
  }

  control(): void {
    // Nothing changes while it runs.
  }

  drained(): void {
    // One frame is sent, and nothing waits for it.
  }

  closed({ code }: CloseReason): void {
    this.#log.info({ code }, "preview closed by the control plane");
    this.#over.abort(new SallyportError("session.ended", "Nobody waits for the preview any more."));
  }

  async #look({ resource, sessionId, parameters, obligations = nothing }: Open, preview: Preview, begin: PreviewSessionDeps["begin"]): Promise<Previewed> {
    const unmasked = { resource, sessionId, parameters: parametersOf(parameters), obligations: nothing, credit: 0 };
    const conversation = await Conversation.open(unmasked, begin, { signal: this.#over.signal, hidesValues: obligations.maskColumns.length > 0 });
    try {
      if (preview.steps.length > 0) return { plan: "", dryRun: undefined, steps: await lookAtSteps(conversation, preview) };
      const plan = await rolledBack(conversation, "read only", async () => {
        // A second statement, or one that cannot be explained, is an error of the target's.
        const { rows } = requireDone(await conversation.run(`explain (format text) ${preview.statement}`, preview.parameters), preview);
        return maskText(rows.map(([line]) => line ?? "").join("\n"), preview.statement, preview.parameters);
      });
      return { plan, dryRun: preview.dryRun ? await dryRun(conversation, preview, obligations) : undefined, steps: [] };
    } finally {
      conversation.hangUp();
    }
  }

  #answer(previewed: Previewed): void {
    if (this.#over.signal.aborted) return this.#fail(SallyportError.from(this.#over.signal.reason));
    this.#channel.post({ $case: "previewed", value: previewed });
    this.#channel.close({ code: "", message: "" });
  }

  #fail({ code, message, cause }: SallyportError): void {
    this.#log[code === "internal" ? "error" : "info"]({ code, err: cause }, "no preview");
    // Whoever closed the channel hears nothing more.
    if (this.#over.signal.reason instanceof SallyportError && this.#over.signal.reason.code === "session.ended") return;
    this.#channel.close({ code, message });
  }
}

const nothing: Obligations = { maskColumns: [], detectors: [], rowCap: 0n };
