/** Forgetting somebody: what is asked, who agreed, and that it is done. Names stand in these events as everywhere, sealed. */
export type ErasureEvent =
  | {
      readonly type: "ErasureRequested";
      readonly data: {
        readonly erasureId: string;
        /** Whose key is to be destroyed: an id that tells nothing of them. */
        readonly subject: string;
        readonly identityId: string;
        readonly requestedBy: string;
        readonly reason: string;
        /** Distinct humans that must agree, besides whoever asks. */
        readonly quorum: number;
        readonly expiresAt: string;
      };
    }
  | { readonly type: "ErasureApproved"; readonly data: { readonly erasureId: string; readonly by: string; readonly comment: string } }
  /** From here on it is carried out, whatever happens. */
  | { readonly type: "ErasureGranted"; readonly data: { readonly erasureId: string; readonly subject: string; readonly approvers: readonly string[] } }
  | { readonly type: "ErasureDenied"; readonly data: { readonly erasureId: string; readonly by: string; readonly comment: string } }
  | { readonly type: "SubjectKeyDestroyed"; readonly data: { readonly erasureId: string; readonly subject: string } };

export const erasureStream = (erasureId: string): string => `erasure-${erasureId}`;
