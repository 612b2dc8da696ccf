import type { Scheduler } from "../application/scheduler.ts";
import type { Channel } from "./channel.ts";
import { type Message, messageOf } from "./message.ts";
import { shown } from "./notice.ts";

/** Most outages are a moment, and the record tells of them; whoever must get up is called for those that last. */
export const OUTAGE_ALERT_AFTER_MS = 5_000;
/** An attempt that failed is made again so soon, while the outage lasts. */
export const OUTAGE_ALERT_AGAIN_MS = 60_000;

export interface OutageAlertDeps {
  readonly channels: readonly Channel[];
  readonly nodeId: string;
  readonly scheduler: Scheduler;
}

/**
 * That the ledger takes nothing while it takes nothing: the one message that is not told from the record, since nothing can be
 * recorded. Each channel that listens to FailClosedEntered hears of an outage once, when it lasts, and of the event when it is over.
 */
export class OutageAlert {
  readonly #deps: OutageAlertDeps;
  #outage: AbortController | undefined;

  constructor(deps: OutageAlertDeps) {
    this.#deps = deps;
  }

  entered({ since }: { readonly since: Date }): void {
    this.left();
    const outage = new AbortController();
    this.#outage = outage;
    for (const channel of this.#deps.channels) {
      if (channel.types.has("FailClosedEntered")) this.#plan(channel, since, OUTAGE_ALERT_AFTER_MS, outage.signal);
    }
  }

  left(): void {
    this.#outage?.abort();
    this.#outage = undefined;
  }

  #plan(channel: Channel, since: Date, ms: number, over: AbortSignal): void {
    const cancel = this.#deps.scheduler.after(ms, () => {
      if (over.aborted) return;
      void channel.send(this.#message(channel, since), over).then((outcome) => {
        if (outcome.kind === "failed" && outcome.final !== true && !over.aborted) this.#plan(channel, since, OUTAGE_ALERT_AGAIN_MS, over);
      });
    });
    over.addEventListener("abort", cancel, { once: true });
  }

  #message({ name, discretion }: Channel, since: Date): Message {
    const { nodeId } = this.#deps;
    const at = since.toISOString();
    const notice = {
      kind: "ledger.unavailable",
      title: `The record of ${nodeId} cannot be written: commands are refused`,
      urgency: "alarm",
      fields: [shown("node", nodeId), shown("since", at)],
      next: [],
    } as const;
    return messageOf(notice, { id: `outage-${nodeId}-${since.getTime()}_${name}`, at, eventId: "", eventType: "" }, discretion);
  }
}
