import type { Discretion, Message } from "./message.ts";

/** What became of one attempt. `failure` is a word or two of our own: what a peer says may hold anything. */
export type Outcome =
  /** `refusedReceivers`: so many of several were not told, and never will be of this. */
  | { readonly kind: "delivered"; readonly refusedReceivers?: number }
  | {
      readonly kind: "failed";
      readonly failure: string;
      /** Not to be tried again: the other side said so. */
      readonly final?: boolean;
      /** Not before this long, this message and any other, if the other side said so. */
      readonly retryAfterMs?: number;
      /** It is about the channel, not about the message: another one would fare no better now. */
      readonly ofChannel?: boolean;
    };

/** One way of telling somebody. */
export interface Channel {
  readonly name: string;
  readonly kind: "webhook" | "slack" | "email";
  /** Types of events that it is told of. */
  readonly types: ReadonlySet<string>;
  /** Whatever else it listens to, it is told of what a rule wants one of these groups to be told (`@notify`). */
  readonly groups: ReadonlySet<string>;
  readonly discretion: Discretion;
  /** One attempt, bounded in time. Never rejects. */
  send(message: Message, signal: AbortSignal): Promise<Outcome>;
}

export const delivered: Outcome = { kind: "delivered" };
export const failed = (failure: string, more: Omit<Extract<Outcome, { kind: "failed" }>, "kind" | "failure"> = {}): Outcome => ({
  kind: "failed",
  failure,
  ...more,
});
