import { randomUUID } from "node:crypto";
import { type RecordingEvent, recordingStream } from "../domain/session/recording.events.ts";
import type { ExpectedRevision, Ledger } from "../ledger/ledger.ts";
import { newEvent } from "./new-event.ts";
import type { Clock, CommandContext } from "./ports.ts";

/**
 * The writer of one session's recording: one append at a time, each awaited by its caller, since what is recorded here is
 * long and must be durable before the command that it belongs to.
 */
export class RecordingRecord {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #stream: string;
  /** Undefined after a failure, whose outcome is unknown: looked up before the next append. */
  #revision: ExpectedRevision | undefined = "none";

  constructor(deps: { readonly ledger: Ledger; readonly clock: Clock }, sessionId: string) {
    this.#ledger = deps.ledger;
    this.#clock = deps.clock;
    this.#stream = recordingStream(sessionId);
  }

  /** Fails with `ledger.unavailable`; what it may have written then belongs to no command. */
  async append(event: RecordingEvent, context: CommandContext): Promise<void> {
    const expected = this.#revision ?? (await this.#lookUp());
    this.#revision = undefined;
    const { revision } = await this.#ledger.append(this.#stream, [newEvent(randomUUID(), event, context, this.#clock.now().toISOString())], expected);
    this.#revision = revision;
  }

  async #lookUp(): Promise<ExpectedRevision> {
    for await (const { revision } of this.#ledger.readStream(this.#stream, { direction: "backwards", limit: 1 })) return revision;
    return "none";
  }
}
