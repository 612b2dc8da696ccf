import type { Approval } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { byPrefix } from "./by-prefix.ts";
import type { Verb } from "./verb.ts";

/** By its id, or the first characters of it. */
export async function findApproval({ api }: Verb, id: string): Promise<Approval> {
  const client = api();
  if (/^[0-9a-f-]{36}$/.test(id)) {
    const { approval } = await client.call(client.approvals.getApproval.bind(client.approvals), { approvalId: id });
    if (approval !== undefined) return approval;
  }
  const { approvals } = await client.call(client.approvals.listApprovals.bind(client.approvals), { pendingOnly: false, limit: 0 });
  return byPrefix("approval", approvals, id);
}
