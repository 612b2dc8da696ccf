import { SallyportError } from "@sallyport/proto/errors";
import { Misuse } from "./exit-status.ts";

/** Also known to who may end what they may not look at. */
export const isWholeId = (id: string): boolean => /^[0-9a-f-]{36}$/u.test(id);

/** The one whose id begins so. `what` names it in the error. */
export function byPrefix<T extends { readonly id: string }>(what: string, items: readonly T[], prefix: string): T {
  const [found, other] = items.filter(({ id }) => id.startsWith(prefix));
  if (found === undefined) throw new SallyportError("approval.not_found", `There is no ${what} "${prefix}" that you may see.`);
  if (other !== undefined) throw new Misuse(`"${prefix}" begins more than one ${what}: give more of it.`);
  return found;
}
