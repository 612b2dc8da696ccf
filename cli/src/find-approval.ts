import { SallyportError } from "@sallyport/proto/errors";
import type { Approval } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Verb } from "./verb.ts";

/** By its id, or the first characters of it, four at least. */
export async function findApproval({ api }: Verb, id: string): Promise<Approval> {
  const { approval } = await api().approvals.getApproval({ approvalId: id });
  if (approval === undefined) throw new SallyportError("approval.not_found", `There is no approval ${id}.`);
  return approval;
}
