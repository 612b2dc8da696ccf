import type { DomainEvent, EventType } from "../domain/events.ts";
import type { About, Notice, Notices } from "./notice.ts";
import { approvalNotices } from "./notices/approvals.ts";
import { breakGlassNotices } from "./notices/break-glass.ts";
import { grantNotices } from "./notices/grants.ts";
import { decisionNotices } from "./notices/decisions.ts";
import { agentNotices, erasureNotices, ledgerNotices, notificationNotices } from "./notices/installation.ts";
import { policyNotices } from "./notices/policies.ts";

/** What a channel can be told of, by the word that its configuration uses. */
const topics = {
  "approvals": approvalNotices,
  "grants": grantNotices,
  "break-glass": breakGlassNotices,
  "policies": policyNotices,
  "agents": agentNotices,
  "ledger": ledgerNotices,
  "erasures": erasureNotices,
  "notifications": notificationNotices,
} as const satisfies Readonly<Record<string, Notices>>;

const ALL = "all";

const ofTopics: Notices = Object.assign({}, ...Object.values(topics)) as Notices;
const told: Notices = { ...ofTopics, ...decisionNotices };

/** Every type that a channel can be told of by listening to it. */
export const toldTypes = Object.keys(ofTopics) as readonly EventType[];

/** Types that may name groups that a rule wants told. What is held is told as the approval that it waits for. */
export const notifyingTypes: readonly EventType[] = [
  ...(Object.keys(decisionNotices) as EventType[]),
  "ApprovalRequested",
  "AccessRequested",
  "BreakGlassOpened",
  "BreakGlassReviewOverdue",
  "PolicyProposed",
  "PolicyRejected",
  "PolicyProposalWithdrawn",
  "PolicySuperseded",
  "PolicyPublished",
];

/** Groups that the rules which decided want told (`@notify`). */
export function groupsToTell(data: object): readonly string[] {
  const { notify, decision } = data as { readonly notify?: readonly string[]; readonly decision?: { readonly notify?: readonly string[] } };
  return notify ?? decision?.notify ?? [];
}

/** `all`, topics, and types of events by their names. */
export const eventWords: readonly [string, ...string[]] = [ALL, ...Object.keys(topics), ...toldTypes];

export function typesOf(words: readonly string[]): ReadonlySet<string> {
  const of = (word: string): readonly string[] => {
    if (word === ALL) return toldTypes;
    return Object.hasOwn(topics, word) ? Object.keys(topics[word as keyof typeof topics]) : [word];
  };
  return new Set(words.flatMap(of));
}

/** Undefined when there is nothing to tell of it. */
export function noticeOf({ type, data }: DomainEvent, about: About): Notice | undefined {
  // The type names the shape of the data, which the compiler cannot follow through a table.
  const write = told[type] as ((data: DomainEvent["data"], about: About) => Notice | undefined) | undefined;
  return write?.(data, about);
}
