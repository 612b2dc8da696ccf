import type { handleBidiStreamingCall, ServerDuplexStream } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import type { UUID } from "@sallyport/proto/gen/event_store/client/shared";
import type { BatchAppendReq, BatchAppendReq_Options, BatchAppendResp, BatchAppendResp_Success } from "@sallyport/proto/gen/event_store/client/streams";
import type { Appended } from "../ledger.ts";
import { type EndpointContext, refused, signInToAppend } from "./call-context.ts";
import { GatheredEvents } from "./gathered-events.ts";
import { type Expected, packedStatus, serviceError } from "./refusal.ts";
import { streamName, uuidText } from "./wire-values.ts";

/** Appends of one call that are begun, or that have no answer yet. */
export const MAX_OPEN_APPENDS = 1_024;

/** And their bytes: a few dozen of the largest. */
export const MAX_OPEN_BYTES = 32 << 20;

interface OpenAppend {
  readonly correlationId: UUID;
  readonly options: BatchAppendReq_Options;
  readonly gathered: GatheredEvents;
}

/**
 * One BatchAppend call: any number of appends, each in one or more messages, answered as they are done.
 *
 * B1. What was given whole is answered, also when the client gives no more or the endpoint closes.
 * B2. A client that sends faster than is written is not read from; one that begins more than fits is cut off.
 */
class BatchAppendCall {
  readonly #context: EndpointContext;
  readonly #call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>;
  readonly #allowed: Promise<void>;
  readonly #begun = new Map<string, OpenAppend>();
  #unanswered = 0;
  #bytes = 0;
  #ended = false;
  #over = false;

  constructor(context: EndpointContext, call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) {
    this.#context = context;
    this.#call = call;
    this.#allowed = signInToAppend(context, call);
    this.#allowed.catch((error: unknown) => this.#fail(error));
    call.on("data", (request: BatchAppendReq) => this.#take(request));
    call.on("end", () => {
      this.#ended = true;
      this.#finish();
    });
    call.on("error", this.#leave);
    call.on("cancelled", this.#leave);
    context.closing.addEventListener("abort", this.#finish);
  }

  #take(request: BatchAppendReq): void {
    if (this.#over) return;
    const key = uuidText(request.correlationId);
    const open = this.#begun.get(key) ?? begin(request);
    if (open === undefined) return this.#fail(invalid("The first message of an append says which stream it is for."));
    const before = open.gathered.bytes;
    for (const message of request.proposedMessages) open.gathered.add(message);
    this.#bytes += open.gathered.bytes - before;
    if (request.isFinal) {
      this.#begun.delete(key);
      this.#unanswered++;
      void this.#run(open);
    } else this.#begun.set(key, open);
    this.#throttle();
  }

  #throttle(): void {
    if (!this.#isFull()) this.#call.resume();
    else if (this.#unanswered > 0) this.#call.pause();
    else this.#fail(invalid("Too much is begun and not finished."));
  }

  async #run({ correlationId, options, gathered }: OpenAppend): Promise<void> {
    const answer = { correlationId, streamIdentifier: options.streamIdentifier, expectedStreamPosition: options.expectedStreamPosition };
    const result = await this.#append(options, gathered);
    if (!this.#over) this.#call.write({ ...answer, result });
    this.#unanswered--;
    this.#bytes -= gathered.bytes;
    this.#throttle();
    this.#finish();
  }

  async #append(options: BatchAppendReq_Options, gathered: GatheredEvents): Promise<BatchAppendResp["result"]> {
    try {
      await this.#allowed;
      const appended = await this.#context.appender.append(streamName(options.streamIdentifier), gathered.all(), expectedPosition(options));
      return { $case: "success", value: success(appended) };
    } catch (error) {
      return { $case: "error", value: packedStatus(refused(this.#context, this.#call.getPath(), error)) };
    }
  }

  #isFull(): boolean {
    return this.#begun.size + this.#unanswered >= MAX_OPEN_APPENDS || this.#bytes >= MAX_OPEN_BYTES;
  }

  readonly #finish = (): void => {
    if (this.#over || this.#unanswered > 0) return;
    if (this.#context.closing.aborted) return this.#fail(new SallyportError("ledger.unavailable", "The ledger's endpoint is closing."));
    if (!this.#ended) return;
    this.#leave();
    this.#call.end();
  };

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#leave();
    this.#call.emit("error", serviceError(refused(this.#context, this.#call.getPath(), error)));
  }

  readonly #leave = (): void => {
    this.#over = true;
    this.#begun.clear();
    this.#context.closing.removeEventListener("abort", this.#finish);
  };
}

export function batchAppendCall(context: EndpointContext): handleBidiStreamingCall<BatchAppendReq, BatchAppendResp> {
  return (call) => void new BatchAppendCall(context, call);
}

function begin({ correlationId, options }: BatchAppendReq): OpenAppend | undefined {
  return correlationId === undefined || options === undefined ? undefined : { correlationId, options, gathered: new GatheredEvents() };
}

function expectedPosition({ expectedStreamPosition: expected }: BatchAppendReq_Options): Expected {
  if (expected === undefined) throw invalid("An append says which revision it expects.");
  return expected.$case === "streamPosition" ? expected.value : expected.$case;
}

const success = ({ revision, position }: Appended): BatchAppendResp_Success => ({
  currentRevisionOption: { $case: "currentRevision", value: revision },
  positionOption: { $case: "position", value: { commitPosition: position, preparePosition: position } },
});

function invalid(message: string): SallyportError {
  return new SallyportError("input.invalid", message);
}
