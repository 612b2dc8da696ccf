import type { handleBidiStreamingCall, ServerDuplexStream } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import {
  ReadReq_Nack_Action as Action,
  type ReadReq,
  type ReadReq_Nack,
  type ReadReq_Options,
  type ReadResp,
} from "@sallyport/proto/gen/event_store/client/persistent_subscriptions";
import { credentialsOf } from "../access.ts";
import { type EndpointContext, recheck, refused, signInToAppend } from "../call-context.ts";
import { RefusalError, serviceError } from "../refusal.ts";
import { recordedEvent, uuidText } from "../wire-values.ts";
import type { Consumer } from "./consumer.ts";
import type { Answer, Group } from "./group.ts";
import { groupKey, MAX_CONSUMER_BUFFER } from "./group-config.ts";
import { sourceOf } from "./group-request.ts";

/** `Stop` gives back what it names and ends the call. An action that we do not know must not lose the event. */
const ANSWERS: ReadonlyMap<Action, Answer> = new Map([
  [Action.Park, "park"],
  [Action.Skip, "skip"],
]);

/** One consumer of a group: it says which, gets events, and answers them by their ids. */
class GroupReadCall {
  readonly #context: EndpointContext;
  readonly #call: ServerDuplexStream<ReadReq, ReadResp>;
  #options: ReadReq_Options | undefined;
  #joined: { readonly group: Group; readonly consumer: Consumer } | undefined;
  readonly #over = new AbortController();

  constructor(context: EndpointContext, call: ServerDuplexStream<ReadReq, ReadResp>) {
    this.#context = context;
    this.#call = call;
    call.on("data", (request: ReadReq) => this.#take(request));
    call.on("error", () => this.#leave());
    call.on("cancelled", () => this.#leave());
    call.on("end", () => {
      if (this.#over.signal.aborted) return;
      this.#leave();
      call.end();
    });
  }

  #take({ content }: ReadReq): void {
    if (this.#over.signal.aborted || content === undefined) return;
    if (content.$case === "options") {
      if (this.#options !== undefined) return this.#fail(invalid("A consumer says once what it consumes."));
      this.#options = content.value;
      this.#join(content.value).catch((error: unknown) => this.#fail(error));
    } else if (this.#joined === undefined) this.#fail(invalid("Nothing was sent yet that this could answer."));
    else if (content.$case === "ack") this.#joined.group.answer(this.#joined.consumer, content.value.ids.map(uuidText), "ack", "");
    else this.#refuse(content.value);
  }

  #refuse({ ids, action, reason }: ReadReq_Nack): void {
    if (this.#joined === undefined) return;
    const { group, consumer } = this.#joined;
    if (action === Action.Stop)
      return this.#fail(new RefusalError({ kind: "group", problem: "dropped", source: group.config.source, group: group.config.group }));
    group.answer(consumer, ids.map(uuidText), ANSWERS.get(action) ?? "retry", reason);
  }

  async #join({ streamOption, groupName, bufferSize, uuidOption }: ReadReq_Options): Promise<void> {
    const signedIn = (): Promise<void> => signInToAppend(this.#context, this.#call);
    await signedIn();
    const source = sourceOf(streamOption);
    if (bufferSize < 1 || bufferSize > MAX_CONSUMER_BUFFER) throw invalid(`A consumer takes 1 to ${MAX_CONSUMER_BUFFER} events at once.`);
    const group = await this.#context.groups.get({ source, group: groupName });
    if (this.#over.signal.aborted) return;
    const uuids = uuidOption?.content?.$case === "string" ? "string" : "structured";
    const consumer = group.join({
      slots: bufferSize,
      from: this.#call.getPeer(),
      user: credentialsOf(this.#call.metadata)?.user ?? "",
      connection: String(this.#call.metadata.get("connection-name")[0] ?? ""),
      send: (event, retries) =>
        this.#call.write({
          content: {
            $case: "event",
            value: {
              event: recordedEvent(event, uuids),
              link: undefined,
              position: { $case: "commitPosition", value: event.position },
              count: { $case: "retryCount", value: retries },
            },
          },
        }),
      cut: (error) => this.#fail(error),
    });
    this.#joined = { group, consumer };
    this.#call.write({ content: { $case: "subscriptionConfirmation", value: { subscriptionId: groupKey(source, groupName) } } });
    recheck(signedIn, this.#over.signal, (error) => this.#fail(error));
    this.#call.on("drain", () => group.resume(consumer));
  }

  #fail(error: unknown): void {
    if (this.#over.signal.aborted) return;
    this.#leave();
    this.#call.emit("error", serviceError(refused(this.#context, this.#call.getPath(), error)));
  }

  #leave(): void {
    this.#over.abort();
    this.#joined?.group.leave(this.#joined.consumer);
  }
}

export function groupReadCall(context: EndpointContext): handleBidiStreamingCall<ReadReq, ReadResp> {
  return (call) => void new GroupReadCall(context, call);
}

function invalid(message: string): SallyportError {
  return new SallyportError("input.invalid", message);
}
