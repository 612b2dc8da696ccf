import { heard, renamedVote, type Vote } from "../domain/approval/quorum.ts";
import type { ApprovalStep } from "../domain/approval/terms.ts";
import { FORGOTTEN_TEXT } from "../domain/classification.ts";

/** What somebody asks for and others decide on: a held command, a plan, access. */
export interface Approvable {
  readonly id: string;
  readonly resource: string;
  readonly requestedBy: string;
  readonly policyVersion: string;
  readonly rules: readonly string[];
  readonly quorum: number;
  /** One after the other; the groups say who counts for each. */
  readonly steps: readonly ApprovalStep[];
  readonly denyBy: readonly string[];
  readonly approverHours: readonly string[];
  readonly escalation: { readonly to: string; readonly at: Date } | undefined;
  /** Its time has come. */
  readonly escalated: boolean;
  readonly approvers: readonly string[];
  readonly votes: readonly Vote[];
  readonly requestedAt: Date;
  /** Unless it is decided by then. */
  readonly expiresAt: Date;
  /** Who agreed, refused or revoked last, and what they said. */
  readonly decidedBy: string;
  readonly comment: string;
}

/** When one more group may decide. */
export const escalatesAt = ({ state, escalation, escalated }: Approvable & { readonly state: string }): Date | undefined =>
  state === "pending" && !escalated ? escalation?.at : undefined;

export const namesIn = ({ requestedBy, decidedBy, approvers, votes }: Approvable): readonly string[] => [requestedBy, decidedBy, ...approvers, ...heard(votes)];

/** As it reads when somebody was forgotten: with another name for them, and without what they wrote. */
export function forgottenIn<View extends Approvable>(view: View, from: string, to: string): View {
  const renamed = (name: string): string => (name === from ? to : name);
  return {
    ...view,
    requestedBy: renamed(view.requestedBy),
    decidedBy: renamed(view.decidedBy),
    approvers: view.approvers.map(renamed),
    votes: view.votes.map((vote) => renamedVote(vote, renamed)),
    comment: forgottenText(view.comment, view.decidedBy, from),
  };
}

/** Whether or not they wrote anything: of what is sealed nobody can tell any more. */
export const forgottenText = (text: string, writtenBy: string, forgotten: string): string => (writtenBy === forgotten ? FORGOTTEN_TEXT : text);
