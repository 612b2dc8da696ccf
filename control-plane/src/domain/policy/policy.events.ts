export interface PolicyFile {
  readonly name: string;
  readonly text: string;
}

export type PolicyEvent =
  | { readonly type: "PolicyProposed"; readonly data: { readonly version: string; readonly files: readonly PolicyFile[]; readonly reason: string } }
  | { readonly type: "PolicyPublished"; readonly data: { readonly version: string } }
  | { readonly type: "PolicyRetired"; readonly data: { readonly version: string; readonly replacedBy: string } };

/** One policy set governs the gateway; later ones get ids of their own. */
export const policyStream = (policyId = "main"): string => `policy-${policyId}`;
