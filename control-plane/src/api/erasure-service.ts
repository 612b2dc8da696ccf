import type { Erasure, ErasureServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Erasures, ErasureView } from "../application/ports.ts";
import { type ApiContext, unary } from "./unary.ts";

export function erasureService(api: ApiContext, erasures: Erasures): ErasureServiceServer {
  return {
    requestErasure: unary(api, async ({ identityId, reason }, { principal, context }) => ({
      erasure: erasureView(await erasures.request(identityId, reason, principal, context)),
    })),
    listErasures: unary(api, async () => ({ erasures: (await erasures.list()).map(erasureView) })),
    approveErasure: unary(api, async ({ erasureId, comment }, { principal, context }) => ({
      erasure: erasureView(await erasures.approve(erasureId, principal, comment, context)),
    })),
    denyErasure: unary(api, async ({ erasureId, comment }, { principal, context }) => ({
      erasure: erasureView(await erasures.deny(erasureId, principal, comment, context)),
    })),
  };
}

const erasureView = ({ approvers, ...view }: ErasureView): Erasure => ({ ...view, approvers: [...approvers] });
