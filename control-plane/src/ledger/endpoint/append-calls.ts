import type { handleClientStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import type {
  AppendReq,
  AppendReq_Options,
  AppendResp,
  DeleteReq,
  DeleteResp,
  TombstoneReq,
  TombstoneResp,
} from "@sallyport/proto/gen/event_store/client/streams";
import type { Appended } from "../ledger.ts";
import { type EndpointContext, refused, signInToAppend } from "./call-context.ts";
import { GatheredEvents } from "./gathered-events.ts";
import { type Expected, serviceError } from "./refusal.ts";
import { streamName } from "./wire-values.ts";

/** One append per call, an event a message. */
export function appendCall(context: EndpointContext): handleClientStreamingCall<AppendReq, AppendResp> {
  return (call, callback) => {
    let options: AppendReq_Options | undefined;
    const gathered = new GatheredEvents();
    call.on("data", ({ content }: AppendReq) => {
      if (content?.$case === "options") options = content.value;
      if (content?.$case === "proposedMessage") gathered.add(content.value);
    });
    call.on("error", () => undefined); // the client is gone; nothing was begun
    call.on("end", () => {
      const run = async (): Promise<Appended> => {
        await signInToAppend(context, call);
        if (options === undefined) throw invalid("The first message of an append says which stream it is for.");
        return context.appender.append(streamName(options.streamIdentifier), gathered.all(), expectedRevision(options));
      };
      run().then(
        (appended) => callback(null, { result: { $case: "success", value: success(appended) } }),
        (error: unknown) => {
          const refusal = refused(context, call.getPath(), error);
          if (refusal.kind !== "wrongExpectedVersion") return callback(serviceError(refusal));
          callback(null, { result: { $case: "wrongExpectedVersion", value: wrongVersion(refusal.expected, refusal.current) } });
        },
      );
    });
  };
}

export function deleteCall(context: EndpointContext): handleUnaryCall<DeleteReq, DeleteResp> {
  return ending(context, (stream, expected) => context.appender.delete(stream, expected));
}

export function tombstoneCall(context: EndpointContext): handleUnaryCall<TombstoneReq, TombstoneResp> {
  return ending(context, (stream, expected) => context.appender.tombstone(stream, expected));
}

/** The two messages have the same shape. */
function ending(context: EndpointContext, end: (stream: string, expected: Expected) => Promise<Appended>): handleUnaryCall<DeleteReq, DeleteResp> {
  return (call, callback) => {
    const run = async (): Promise<Appended> => {
      await signInToAppend(context, call);
      const { options } = call.request;
      if (options === undefined) throw invalid("No stream is named.");
      return end(streamName(options.streamIdentifier), expectedRevision(options));
    };
    run().then(
      ({ position }) => callback(null, { positionOption: { $case: "position", value: { commitPosition: position, preparePosition: position } } }),
      (error: unknown) => callback(serviceError(refused(context, call.getPath(), error))),
    );
  };
}

function expectedRevision({ expectedStreamRevision: expected }: Pick<AppendReq_Options, "expectedStreamRevision">): Expected {
  if (expected === undefined) throw invalid("An append says which revision it expects.");
  return expected.$case === "revision" ? expected.value : expected.$case;
}

function wrongVersion(expected: Expected, current: bigint | undefined): Extract<AppendResp["result"], { readonly $case: "wrongExpectedVersion" }>["value"] {
  return {
    currentRevisionOption: current === undefined ? { $case: "currentNoStream", value: {} } : { $case: "currentRevision", value: current },
    expectedRevisionOption:
      typeof expected === "bigint"
        ? { $case: "expectedRevision", value: expected }
        : { $case: ({ any: "expectedAny", noStream: "expectedNoStream", streamExists: "expectedStreamExists" } as const)[expected], value: {} },
  };
}

const success = ({ revision, position }: Appended): Extract<AppendResp["result"], { readonly $case: "success" }>["value"] => ({
  currentRevisionOption: { $case: "currentRevision", value: revision },
  positionOption: { $case: "position", value: { commitPosition: position, preparePosition: position } },
});

function invalid(message: string): SallyportError {
  return new SallyportError("input.invalid", message);
}
