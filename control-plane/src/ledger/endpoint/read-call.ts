import type { handleServerStreamingCall } from "@grpc/grpc-js";
import type { ReadReq, ReadResp } from "@sallyport/proto/gen/event_store/client/streams";
import { SallyportError } from "@sallyport/proto/errors";
import { pump } from "../../grpc/pump.ts";
import { type EndpointContext, recheck, refused, signIn } from "./call-context.ts";
import { readEvents } from "./read-events.ts";
import { planRead } from "./read-plan.ts";
import { serviceError } from "./refusal.ts";

export function readCall(context: EndpointContext): handleServerStreamingCall<ReadReq, ReadResp> {
  return (call) => {
    const stop = new AbortController();
    call.on("cancelled", () => stop.abort());
    let revoked: SallyportError | undefined;

    const run = async (): Promise<void> => {
      const { mayRead } = await signIn(context, call);
      const plan = planRead(call.request);
      if ("stream" in plan && !mayRead(plan.stream)) throw new SallyportError("auth.forbidden", "This stream is not open to you.");
      const signal = AbortSignal.any([stop.signal, context.closing]);
      recheck(
        () => signIn(context, call),
        stop.signal,
        (error) => {
          revoked = SallyportError.from(error);
          stop.abort();
        },
      );
      try {
        await pump(call, readEvents({ ledger: context.ledger, mayRead, signal }, plan), signal);
      } finally {
        stop.abort();
      }
      if (revoked !== undefined) throw revoked;
      if (context.closing.aborted) throw new SallyportError("ledger.unavailable", "The ledger's endpoint is closing.");
      call.end();
    };
    run().catch((error: unknown) => {
      if (!call.cancelled) call.emit("error", serviceError(refused(context, call.getPath(), error)));
    });
  };
}
