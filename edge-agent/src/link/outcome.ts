import type { SallyportError } from "@sallyport/proto/errors";

/** How one link ended. */
export type LinkOutcome =
  /** We left, as we were told to. */
  | { readonly kind: "drained" }
  /** Come back later. `heldMs` counts from Welcome; 0 when it never came to that. */
  | { readonly kind: "retryable"; readonly reason: string; readonly heldMs: number }
  /** The control plane does not want this agent back, or the agent cannot prove who it is. */
  | { readonly kind: "fatal"; readonly error: SallyportError };
