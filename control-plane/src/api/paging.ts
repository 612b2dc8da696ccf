import { SallyportError } from "@sallyport/proto/errors";

/** Cursors are positions of the log, which SQLite holds in 64 bits. */
const LAST_CURSOR = 2n ** 63n - 1n;

/** A place in a list, as the caller got it with the page before. Fails with `input.invalid`. */
export function cursorOf(text: string): { readonly cursor?: bigint } {
  if (text === "") return {};
  const cursor = /^\d{1,19}$/.test(text) ? BigInt(text) : undefined;
  if (cursor === undefined || cursor > LAST_CURSOR) throw new SallyportError("input.invalid", "That is no cursor of a list.", { field: "cursor" });
  return { cursor };
}

export const textOf = (cursor: bigint | undefined): string => (cursor === undefined ? "" : String(cursor));

/** A message may hold seconds that no calendar has. Fails with `input.invalid`. */
export function requireInstant(field: string, instant: Date): Date {
  if (Number.isNaN(instant.getTime())) throw new SallyportError("input.invalid", "That is no instant.", { field });
  return instant;
}

/** From when to when, as far as it is said. Fails with `input.invalid`. */
export const spanOf = ({
  since,
  until,
}: {
  readonly since: Date | undefined;
  readonly until: Date | undefined;
}): { readonly since?: Date; readonly until?: Date } => ({
  ...(since === undefined ? {} : { since: requireInstant("since", since) }),
  ...(until === undefined ? {} : { until: requireInstant("until", until) }),
});
