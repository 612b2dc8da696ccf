import { setImmediate as turn } from "node:timers/promises";
import { SallyportError } from "@sallyport/proto/errors";
import { Approval } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { DECISIONS_AT_ONCE } from "../application/in-turns.ts";
import type { ApprovalView } from "../application/approval-ports.ts";
import { approvalView } from "./views.ts";

/** A listing holds no more than this, whatever is asked. */
export const MAX_LISTED = 1_000;
/** Of what it holds; gRPC's own limit is four times that. */
export const MAX_LISTED_BYTES = 1_048_576;
/** Decisions of policy for one listing, at up to a quarter of a millisecond each, in a cache that sessions use too. */
export const MAX_LISTING_DECISIONS = 1_000;
/** Of a statement, in characters: enough to know it by. Whoever decides reads the whole of one approval. */
export const LISTED_STATEMENT_LENGTH = 500;
/** Listings of one identity that wait for the one before; a client that asks faster than it is answered is broken. */
export const MAX_WAITING_LISTINGS = 8;

/** Who may see one, in two halves: what costs nothing to know, and what policy must be asked. */
export interface Visibility {
  readonly plainly: (approval: ApprovalView) => boolean;
  readonly byPolicy: (approval: ApprovalView) => boolean;
}

export interface Listing {
  readonly approvals: Approval[];
  /** There may be others, older than these. */
  readonly more: boolean;
}

/** Newest first; stops at `limit`, at the bound in bytes, and asks policy no more often than it may. */
export async function listApprovals(approvals: readonly ApprovalView[], { plainly, byPolicy }: Visibility, limit: number): Promise<Listing> {
  const found: Approval[] = [];
  let bytes = 0;
  let decisions = 0;
  let isCut = false;
  for (const approval of approvals.toSorted((a, b) => b.requestedAt.getTime() - a.requestedAt.getTime())) {
    if (!plainly(approval)) {
      if (decisions === MAX_LISTING_DECISIONS) {
        isCut = true;
        continue;
      }
      if (++decisions % DECISIONS_AT_ONCE === 0) await turn();
      if (!byPolicy(approval)) continue;
    }
    const listed = listedView(approval);
    bytes += Approval.encode(listed).finish().length;
    if (found.length === limit || bytes > MAX_LISTED_BYTES) return { approvals: found, more: true };
    found.push(listed);
  }
  return { approvals: found, more: isCut };
}

/** What tells it from the others; the rest is for whoever asks for this one. */
function listedView(approval: ApprovalView): Approval {
  const { counter, plan: _plan, ...whole } = approvalView(approval);
  const shown = counter === undefined ? undefined : { ...counter, statement: cut(counter.statement) };
  return { ...whole, statement: cut(whole.statement), parameters: [], previews: [], plan: [], counter: shown };
}

/** Never in the middle of a character. */
function cut(text: string): string {
  if (text.length <= LISTED_STATEMENT_LENGTH) return text;
  return `${text.slice(0, LISTED_STATEMENT_LENGTH - 1).toWellFormed()}…`;
}

/** One after the other for each identity: nobody has more than one listing under way. */
export class OneAtATime {
  readonly #under = new Map<string, { readonly last: Promise<unknown>; readonly count: number }>();

  async run<T>(identity: string, work: () => Promise<T>): Promise<T> {
    const { last = Promise.resolve(), count = 0 } = this.#under.get(identity) ?? {};
    if (count > MAX_WAITING_LISTINGS) throw new SallyportError("session.limit", "Too many listings of yours are waiting; ask again when they are answered.");
    const own = last.then(work);
    this.#under.set(identity, { last: own.catch(() => undefined), count: count + 1 });
    try {
      return await own;
    } finally {
      const { last: newest = Promise.resolve(), count: left = 1 } = this.#under.get(identity) ?? {};
      if (left === 1) this.#under.delete(identity);
      else this.#under.set(identity, { last: newest, count: left - 1 });
    }
  }
}
