import { SallyportError } from "@sallyport/proto/errors";
import type { Purpose } from "../../domain/decision.ts";
import type { StatedPurpose } from "./facts/analysis.ts";
import { statedBy } from "./facts/settings.ts";

/** A line that people read when they approve; a ticket is a word. */
export const MAX_PURPOSE_CHARS = 500;

/**
 * Why the client of one session acts, in its own words: at the start (`options=-c sallyport.reason=…`) or by a statement
 * (`SET sallyport.reason = '…'`), which goes on to the target, where it has no meaning.
 */
export class SessionPurpose {
  readonly #first: Purpose;
  #now: Purpose;

  constructor(first: Purpose) {
    this.#first = first;
    this.#now = first;
  }

  get now(): Purpose {
    return this.#now;
  }

  /** What it is once these are said, in order. Undefined when nothing changes; fails with `input.invalid` on what cannot be recorded. */
  after(stated: readonly StatedPurpose[]): Purpose | undefined {
    let next = this.#now;
    for (const { reason, ticket } of stated)
      next = { reason: reason === null ? this.#first.reason : (reason ?? next.reason), ticket: ticket === null ? this.#first.ticket : (ticket ?? next.ticket) };
    if (next.reason === this.#now.reason && next.ticket === this.#now.ticket) return undefined;
    return checked(next);
  }

  set(purpose: Purpose): void {
    this.#now = purpose;
  }
}

/** What a client says when it connects: as parameters of their own, or within `options`. */
export function purposeAtStart(settings: ReadonlyMap<string, string>): Purpose {
  const purpose = { reason: "", ticket: "" };
  for (const [name, value] of settings) {
    const part = statedBy.get(name.toLowerCase());
    if (part !== undefined) purpose[part] = value.trim();
  }
  return checked(purpose);
}

function checked(purpose: Purpose): Purpose {
  for (const part of ["reason", "ticket"] as const) {
    const text = purpose[part];
    if (text.length > MAX_PURPOSE_CHARS || /\p{Cc}/u.test(text) || !text.isWellFormed())
      throw new SallyportError("input.invalid", `sallyport.${part} is one line of at most ${MAX_PURPOSE_CHARS} characters.`, {
        parameter: `sallyport.${part}`,
      });
  }
  return purpose;
}
