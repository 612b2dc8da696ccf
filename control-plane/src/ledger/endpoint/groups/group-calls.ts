import type { handleUnaryCall } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import type { PersistentSubscriptionsServer } from "@sallyport/proto/gen/event_store/client/persistent_subscriptions";
import { streamName } from "../wire-values.ts";
import { type EndpointContext, refused, signInToAppend } from "../call-context.ts";
import { serviceError } from "../refusal.ts";
import { ALL } from "./group-config.ts";
import { groupInfo } from "./group-info.ts";
import { groupReadCall } from "./group-read-call.ts";
import { groupRequest, sourceOf } from "./group-request.ts";

/** All of it writes, so it is for those who may append; whoever may only read has subscriptions of his own. */
export function groupCalls(context: EndpointContext): PersistentSubscriptionsServer {
  const { groups, ledger } = context;
  const answering = <Request extends { readonly options: unknown }, Response>(
    answer: (options: NonNullable<Request["options"]>) => Promise<Response>,
  ): handleUnaryCall<Request, Response> => {
    return (call, callback) => {
      const run = async (): Promise<Response> => {
        await signInToAppend(context, call);
        const { options } = call.request;
        if (options === undefined || options === null) throw new SallyportError("input.invalid", "No persistent subscription is named.");
        return answer(options);
      };
      run().then(
        (response) => callback(null, response),
        (error: unknown) => callback(serviceError(refused(context, call.getPath(), error))),
      );
    };
  };
  const named = ({ streamOption, groupName: group }: { readonly streamOption: Parameters<typeof sourceOf>[0]; readonly groupName: string }) => ({
    source: sourceOf(streamOption),
    group,
  });
  return {
    read: groupReadCall(context),
    create: answering(async (options) => {
      await groups.create(groupRequest(options));
      return {};
    }),
    update: answering(async (options) => {
      await groups.update(groupRequest(options));
      return {};
    }),
    delete: answering(async (options) => {
      await groups.delete(named(options));
      return {};
    }),
    getInfo: answering(async (options) => ({ subscriptionInfo: await groupInfo(ledger, await groups.get(named(options))) })),
    replayParked: answering(async (options) => {
      const group = await groups.get(named(options));
      await group.replayParked(options.stopAtOption?.$case === "stopAt" ? options.stopAtOption.value : undefined);
      return {};
    }),
    list: answering(async ({ listOption }) => {
      const wanted = listOption?.$case === "listForStream" ? listOption.value.streamOption : undefined;
      const source = wanted && (wanted.$case === "all" ? ALL : streamName(wanted.value));
      return { subscriptions: await Promise.all((await groups.list(source)).map((group) => groupInfo(ledger, group))) };
    }),
  };
}
