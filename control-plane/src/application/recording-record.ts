import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import { type RecordingEvent, recordingStream } from "../domain/session/recording.events.ts";
import type { ExpectedRevision, Ledger } from "../ledger/ledger.ts";
import { newEvent } from "./new-event.ts";
import type { Clock, CommandContext } from "./ports.ts";
import type { Scheduler } from "./scheduler.ts";

/** How long an append may take: a client waits for it, and nothing of its answer leaves before. As long as a command waits for its own event. */
export const RECORDING_PATIENCE_MS = 2_000;

export interface RecordingDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Bytes of output and COPY data, before compression, that one session's recording takes. */
  readonly maxBytes: number;
}

/**
 * The writer of one session's recording.
 *
 * G1. Appends go one after the other, in the order of the calls. Sequence numbers are each used once; those of an append that
 *     failed are left out, or are of events that were written after all and belong to nothing that anybody saw.
 * G2. An append that is not answered in time has failed for its caller; until it is answered every other one is refused at once.
 * G3. Output or COPY data beyond the bound is refused, never left out: from then on the recording is full.
 */
export class RecordingRecord {
  readonly #deps: RecordingDeps;
  readonly #stream: string;
  /** Undefined after a failure, whose outcome is unknown: looked up before the next append. */
  #revision: ExpectedRevision | undefined = "none";
  #sequence = 0;
  #bytes = 0;
  #full = false;
  /** Appends that nobody waits for any more. */
  #late = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(deps: RecordingDeps, sessionId: string) {
    this.#deps = deps;
    this.#stream = recordingStream(sessionId);
  }

  get full(): boolean {
    return this.#full;
  }

  /** Takes so many sequence numbers, and answers the first of them. */
  reserve(count: number): number {
    const first = this.#sequence;
    this.#sequence += count;
    return first;
  }

  /** Durable when it resolves. Fails with `ledger.unavailable` or, where it takes no more, with `recording.full`. */
  async append(events: readonly RecordingEvent[], context: CommandContext): Promise<void> {
    if (this.#late > 0) throw unavailable();
    const bytes = events.reduce((sum, { data }) => sum + ("bytes" in data ? data.bytes : 0), 0);
    if (bytes > 0 && this.#bytes + bytes > this.#deps.maxBytes) {
      this.#full = true;
      throw recordingFull(this.#deps.maxBytes);
    }
    this.#bytes += bytes;
    const written = this.#last.then(() => this.#write(events, context));
    this.#last = written.catch(() => undefined);
    await this.#inTime(written);
  }

  async #write(events: readonly RecordingEvent[], context: CommandContext): Promise<void> {
    const { ledger, clock } = this.#deps;
    const expected = this.#revision ?? (await this.#lookUp());
    this.#revision = undefined;
    const at = clock.now().toISOString();
    const { revision } = await ledger.append(
      this.#stream,
      events.map((event) => newEvent(randomUUID(), event, context, at)),
      expected,
    );
    this.#revision = revision;
  }

  async #inTime(written: Promise<void>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = this.#deps.scheduler.after(RECORDING_PATIENCE_MS, () => {
      this.#late++;
      const answered = (): void => void this.#late--;
      written.then(answered, answered);
      reject(unavailable());
    });
    written.then(resolve, reject).finally(cancel);
    await promise;
  }

  async #lookUp(): Promise<ExpectedRevision> {
    for await (const { revision } of this.#deps.ledger.readStream(this.#stream, { direction: "backwards", limit: 1 })) return revision;
    return "none";
  }
}

const unavailable = (): SallyportError => new SallyportError("ledger.unavailable", "The recording could not be written in time.", { recorded: "unknown" });

export const recordingFull = (bytes: number): SallyportError =>
  new SallyportError("recording.full", `Policy has this recorded, and the recording of this session takes no more than ${bytes} bytes.`);
