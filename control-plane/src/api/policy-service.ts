import type { PolicyServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { PolicyService } from "../application/policy-changes.ts";
import { type ApiContext, unary } from "./unary.ts";

export function policyService(api: ApiContext, policies: PolicyService): PolicyServiceServer {
  return {
    getPolicy: unary(api, () => {
      const published = policies.published();
      const failure = policies.loadFailure();
      return {
        version: published?.version ?? "",
        files: [...(published?.files ?? [])],
        publishedBy: published?.by ?? "",
        publishedAt: published?.at,
        loadFailed: failure !== undefined,
        keeps: failure?.keeps ?? "",
      };
    }),
    // A set of rules is compiled, and its tests are run, at everybody's cost.
    checkPolicy: unary(api, async ({ files }) => {
      const { version, problems, passed } = await policies.check(files);
      return { version, problems: [...problems], testsPassed: passed };
    }),
    diffPolicy: unary(api, async ({ after, before, beforeVersion }) => {
      const changes = await policies.diff(after, before.length > 0 ? { files: before } : { version: beforeVersion });
      return { changes: changes.map(({ parts, ...change }) => ({ ...change, parts: [...parts] })) };
    }),
    publishPolicy: unary(api, async ({ files, reason }, { context }) => ({ version: await policies.publish(files, reason, context) })),
  };
}
